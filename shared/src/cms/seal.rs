//! The sender's half: seals random bytes to a recipient's key.
//!
//! The layout is the one seen in real KMS answers: BER with indefinite lengths in the four outer
//! layers, on which AWS's own C parser (aws-nitro-enclaves-sdk-c) insists.

use std::fmt;

use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{RSAES_OAEP_SHA_256, oid};
use crate::attestation::RecipientKey;
use crate::crypto::{
    self, AES_256_KEY_LENGTH, AES_BLOCK_LENGTH, CryptoError, OAEP_SEED_LENGTH, TAKES_OAEP_SEED,
};

/// The most bytes a `CiphertextForRecipient` may have, by the API's model.
pub const MAX_CIPHERTEXT_LENGTH: usize = 6144;

const INTEGER_2: [u8; 3] = [0x02, 0x01, 0x02];
const END_OF_CONTENTS: [u8; 2] = [0x00, 0x00];
const SKI_LENGTH: usize = 32;
/// Bytes of a tag and a length from 256 on, as whatever holds a modulus of 2048 bits or more has.
const LONG_HEADER_LENGTH: usize = 4;

/// What is random in one envelope: the content-encryption key, the IV, and OAEP's seed. Fresh for
/// each, wiped when it is sealed. It stays where it was drawn, so that no move leaves a copy.
pub struct ContentEncryption(Box<Parts>);

#[derive(Zeroize, ZeroizeOnDrop)]
struct Parts {
    key: [u8; AES_256_KEY_LENGTH],
    iv: [u8; AES_BLOCK_LENGTH],
    oaep_seed: [u8; OAEP_SEED_LENGTH],
}

impl ContentEncryption {
    /// Has `fill` draw each part by itself. The seed is drawn if the crypto provider takes one
    /// ([`TAKES_OAEP_SEED`]).
    ///
    /// # Errors
    /// Those of `fill`.
    pub fn draw<E>(mut fill: impl FnMut(&mut [u8]) -> Result<(), E>) -> Result<Self, E> {
        let mut parts = Box::new(Parts {
            key: [0; AES_256_KEY_LENGTH],
            iv: [0; AES_BLOCK_LENGTH],
            oaep_seed: [0; OAEP_SEED_LENGTH],
        });
        fill(&mut parts.key)?;
        fill(&mut parts.iv)?;
        if TAKES_OAEP_SEED {
            fill(&mut parts.oaep_seed)?;
        }
        Ok(Self(parts))
    }
}

impl fmt::Debug for ContentEncryption {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ContentEncryption(..)")
    }
}

/// Why nothing was sealed: a fault of ours, never of the caller.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SealError {
    /// The provider failed.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// More content than the API can carry.
    #[error("the content does not fit a CiphertextForRecipient")]
    TooLong,
}

/// Seals `content` to `recipient`: the `CiphertextForRecipient`.
///
/// # Errors
/// If the provider fails, or the content does not fit.
pub fn seal(
    recipient: &RecipientKey,
    content: &[u8],
    encryption: ContentEncryption,
) -> Result<Vec<u8>, SealError> {
    let envelope_length = recipient.modulus_length() + content.len() + 256;
    if envelope_length > MAX_CIPHERTEXT_LENGTH {
        return Err(SealError::TooLong);
    }
    // Exactly once: a vector that grew would leave copies of the content behind.
    let mut out = Vec::with_capacity(envelope_length);
    out.extend([0x30, 0x80]); // ContentInfo
    push_tlv(&mut out, 0x06, oid::ENVELOPED_DATA);
    out.extend([0xa0, 0x80]); // [0] EXPLICIT
    out.extend([0x30, 0x80]); // EnvelopedData
    out.extend(INTEGER_2);
    push_recipient_infos(&mut out, recipient, &encryption.0)?;
    push_encrypted_content(&mut out, content, &encryption.0)?;
    out.extend([END_OF_CONTENTS; 3].as_flattened());
    Ok(out)
}

/// The SET of one KeyTransRecipientInfo, definite.
fn push_recipient_infos(
    out: &mut Vec<u8>,
    recipient: &RecipientKey,
    encryption: &Parts,
) -> Result<(), SealError> {
    let modulus_length = recipient.modulus_length();
    let key_length = LONG_HEADER_LENGTH + modulus_length;
    let info_length = INTEGER_2.len() + 2 + SKI_LENGTH + RSAES_OAEP_SHA_256.len() + key_length;
    push_header(out, 0x31, LONG_HEADER_LENGTH + info_length);
    push_header(out, 0x30, info_length);
    out.extend(INTEGER_2);
    push_tlv(out, 0x80, recipient.subject_key_identifier());
    out.extend(RSAES_OAEP_SHA_256);
    push_header(out, 0x04, modulus_length);
    let from = out.len();
    out.resize(from + modulus_length, 0);
    let encrypted_key = out.get_mut(from..).unwrap_or_default();
    Ok(recipient.oaep().encrypt(&encryption.key, &encryption.oaep_seed, encrypted_key)?)
}

/// EncryptedContentInfo, indefinite, its content one OCTET STRING.
fn push_encrypted_content(
    out: &mut Vec<u8>,
    content: &[u8],
    encryption: &Parts,
) -> Result<(), SealError> {
    out.extend([0x30, 0x80]);
    push_tlv(out, 0x06, oid::DATA);
    push_header(out, 0x30, 2 + oid::AES_256_CBC.len() + 2 + AES_BLOCK_LENGTH);
    push_tlv(out, 0x06, oid::AES_256_CBC);
    push_tlv(out, 0x04, &encryption.iv);
    out.extend([0xa0, 0x80]);
    // PKCS#7 always adds at least one byte.
    let padded_length = (content.len() / AES_BLOCK_LENGTH + 1) * AES_BLOCK_LENGTH;
    push_header(out, 0x04, padded_length);
    let from = out.len();
    out.extend(content);
    crypto::aes_256_cbc_encrypt(&encryption.key, &encryption.iv, out, from).inspect_err(|_| {
        out.get_mut(from..).unwrap_or_default().zeroize();
    })?;
    out.extend([END_OF_CONTENTS; 2].as_flattened());
    Ok(())
}

fn push_tlv(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    push_header(out, tag, content.len());
    out.extend(content);
}

/// A tag and a definite length, in DER's shortest form (X.690 section 10.1).
fn push_header(out: &mut Vec<u8>, tag: u8, length: usize) {
    let [.., high, low] = length.to_be_bytes();
    out.push(tag);
    match length {
        0..=0x7f => out.push(low),
        0x80..=0xff => out.extend([0x81, low]),
        _ => out.extend([0x82, high, low]),
    }
}
