//! Creates attestation documents with any content, signed correctly.

use std::collections::BTreeMap;

use aws_nitro_enclaves_cose::CoseSign1;
use aws_nitro_enclaves_cose::crypto::{Hash, MessageDigest};
use aws_nitro_enclaves_cose::error::CoseError;
use aws_nitro_enclaves_cose::header_map::HeaderMap;
use sha2::{Digest, Sha384};
use thiserror::Error;

use super::chain::Chain;
use super::key::Key;
use attestation::crypto::CryptoError;
use attestation::time::UnixMillis;
use attestation::{MAX_PCRS, PCR_LENGTH, PcrFamily, PcrValue};

/// The content of a document to sign.
#[derive(Clone, Debug)]
pub struct DocumentSpec {
    /// The identifier of the module, at least one byte.
    pub module_id: String,
    /// The time of the signature.
    pub timestamp: UnixMillis,
    /// The PCR family: Nitro Enclave or NitroTPM.
    pub family: PcrFamily,
    /// The PCRs by index, which must be below 32.
    pub pcrs: BTreeMap<u8, PcrValue>,
    /// The field `public_key`, at most 1,024 bytes.
    pub public_key: Option<Vec<u8>>,
    /// The field `user_data`, at most 1,024 bytes.
    pub user_data: Option<Vec<u8>>,
    /// The field `nonce`, at most 1,024 bytes.
    pub nonce: Option<Vec<u8>>,
}

/// The error if a document cannot be signed.
#[derive(Debug, Error)]
#[error("cannot sign the document")]
pub struct SigningError;

impl From<CryptoError> for SigningError {
    fn from(_: CryptoError) -> Self {
        Self
    }
}

/// Returns the fixed measurements of a simulated platform. The PCRs that are zero on a genuine platform are
/// zero.
pub fn default_pcrs(family: PcrFamily) -> BTreeMap<u8, PcrValue> {
    let (count, measured): (u8, &[u8]) = match family {
        PcrFamily::NitroEnclave => (16, &[0, 1, 2, 3, 4, 8]),
        PcrFamily::NitroTpm => (24, &[0, 1, 2, 3, 4, 5, 7, 12]),
    };
    let value = |index: u8| {
        if measured.contains(&index) {
            Sha384::digest(format!("simulated {} {index}", family.field())).into()
        } else {
            [0; PCR_LENGTH]
        }
    };
    (0..count).map(|index| (index, value(index))).collect()
}

/// Returns PCR0, PCR1 and PCR2 of a simulated enclave with the image `name`. Another name is another image.
pub fn image_pcrs(name: &str) -> [(u8, PcrValue); 3] {
    let value = |index| Sha384::digest(format!("simulated pcrs {index} of {name}")).into();
    [0, 1, 2].map(|index| (index, value(index)))
}

impl DocumentSpec {
    /// Signs the document: an untagged COSE_Sign1 whose payload is a map of indefinite length, as in AWS's
    /// documents since 2025.
    ///
    /// # Errors
    /// If the provider fails, or if `chain` has no signing key.
    pub fn sign(&self, chain: &Chain) -> Result<Vec<u8>, SigningError> {
        let payload = self.payload(chain.certificate(), &chain.cabundle());
        sign_payload(&payload, chain.key().ok_or(SigningError)?)
    }

    /// Returns the payload with any leaf certificate and any cabundle.
    pub fn payload(&self, certificate: &[u8], cabundle: &[&[u8]]) -> Vec<u8> {
        let mut payload = vec![INDEFINITE_MAP];
        text(&mut payload, "module_id");
        text(&mut payload, &self.module_id);
        text(&mut payload, "digest");
        text(&mut payload, "SHA384");
        text(&mut payload, "timestamp");
        head(&mut payload, UNSIGNED, self.timestamp.as_millis());
        text(&mut payload, self.family.field());
        head(&mut payload, MAP, length(self.pcrs.len()));
        for (index, value) in self.pcrs.iter().take(MAX_PCRS) {
            head(&mut payload, UNSIGNED, u64::from(*index));
            bytes(&mut payload, value);
        }
        text(&mut payload, "certificate");
        bytes(&mut payload, certificate);
        text(&mut payload, "cabundle");
        head(&mut payload, ARRAY, length(cabundle.len()));
        for certificate in cabundle {
            bytes(&mut payload, certificate);
        }
        for (field, value) in [
            ("public_key", &self.public_key),
            ("user_data", &self.user_data),
            ("nonce", &self.nonce),
        ] {
            text(&mut payload, field);
            match value {
                Some(value) => bytes(&mut payload, value),
                None => payload.push(NULL),
            }
        }
        payload.push(BREAK);
        payload
    }
}

/// A hash function that returns the Sig_structure itself.
///
/// The COSE library passes a digest to the key, but some providers can sign only the message itself. With this
/// hash function, the provider receives the Sig_structure and hashes it.
struct Undigested;

impl Hash for Undigested {
    fn hash(_: MessageDigest, sig_structure: &[u8]) -> Result<Vec<u8>, CoseError> {
        Ok(sig_structure.to_vec())
    }
}

/// Signs any payload with ES384. Returns an untagged COSE_Sign1.
///
/// # Errors
/// If the provider fails.
pub fn sign_payload(payload: &[u8], key: &Key) -> Result<Vec<u8>, SigningError> {
    CoseSign1::new::<Undigested>(payload, &HeaderMap::new(), key)
        .and_then(|envelope| envelope.as_bytes(false))
        .map_err(|_| SigningError)
}

// Major types (RFC 8949 section 3.1) and initial bytes of CBOR.
const UNSIGNED: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const INDEFINITE_MAP: u8 = 0xbf;
const NULL: u8 = 0xf6;
const BREAK: u8 = 0xff;

fn length(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// Appends the head of a data item, with its argument in the shortest form.
fn head(out: &mut Vec<u8>, major: u8, argument: u64) {
    let major = major << 5;
    let [a, b, c, d, e, f, g, h] = argument.to_be_bytes();
    match argument {
        0..=23 => out.push(major | h),
        24..=0xff => out.extend([major | 24, h]),
        0x100..=0xffff => out.extend([major | 25, g, h]),
        0x1_0000..=0xffff_ffff => out.extend([major | 26, e, f, g, h]),
        _ => out.extend([major | 27, a, b, c, d, e, f, g, h]),
    }
}

fn text(out: &mut Vec<u8>, value: &str) {
    head(out, TEXT, length(value.len()));
    out.extend(value.as_bytes());
}

fn bytes(out: &mut Vec<u8>, value: &[u8]) {
    head(out, BYTES, length(value.len()));
    out.extend(value);
}

#[cfg(test)]
mod tests {
    use ring::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};

    use super::*;
    use crate::Root;

    const NOW: UnixMillis = UnixMillis::from_secs(1_800_000_000);

    /// Returns the Sig_structure ["Signature1", protected, external_aad, payload] of RFC 9052 section 4.4.
    fn sig_structure(payload: &[u8]) -> Vec<u8> {
        let mut out = vec![0x84];
        text(&mut out, "Signature1");
        bytes(&mut out, &[0xa1, 0x01, 0x38, 0x22]);
        bytes(&mut out, &[]);
        bytes(&mut out, payload);
        out
    }

    #[test]
    fn ring_verifies_signed_document() {
        let chain = Chain::issue(&Root::generate().unwrap(), NOW).unwrap();
        let spec = DocumentSpec {
            module_id: "simulated".to_owned(),
            timestamp: NOW,
            family: PcrFamily::NitroEnclave,
            pcrs: default_pcrs(PcrFamily::NitroEnclave),
            public_key: None,
            user_data: Some(vec![1; 300]),
            nonce: None,
        };
        let payload = spec.payload(chain.certificate(), &chain.cabundle());
        let document = spec.sign(&chain).unwrap();
        let signature = document.last_chunk::<96>().unwrap();
        let key =
            UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, chain.key().unwrap().public_key());
        key.verify(&sig_structure(&payload), signature).unwrap();
        assert!(key.verify(&sig_structure(&payload[1..]), signature).is_err());
    }

    #[test]
    fn writes_cose_and_payload_as_aws_does() {
        let chain = Chain::issue(&Root::generate().unwrap(), NOW).unwrap();
        let spec = DocumentSpec {
            module_id: "m".to_owned(),
            timestamp: NOW,
            family: PcrFamily::NitroTpm,
            pcrs: BTreeMap::from([(7, [0xab; 48])]),
            public_key: None,
            user_data: None,
            nonce: Some(vec![]),
        };
        let document = spec.sign(&chain).unwrap();
        assert!(document.starts_with(&[0x84, 0x44, 0xa1, 0x01, 0x38, 0x22, 0xa0, 0x59]));
        let payload = spec.payload(chain.certificate(), &chain.cabundle());
        assert!(
            payload.starts_with(b"\xbf\x69module_id\x61m\x66digest\x66SHA384\x69timestamp\x1b")
        );
        assert!(payload.ends_with(b"\x69user_data\xf6\x65nonce\x40\xff"));
        assert!(payload.windows(5).any(|window| window == [0xa1, 0x07, 0x58, 0x30, 0xab]));
    }
}
