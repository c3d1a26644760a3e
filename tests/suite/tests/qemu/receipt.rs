//! A decoder for receipts that shares no code with the crate `attestation`. OpenSSL verifies the
//! signatures.

use std::fs;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ciborium::Value;
use sha2::{Digest as _, Sha256};

const EXTERNAL_AAD: &[u8] = b"attested-random receipt v1";

/// The DER of a SubjectPublicKeyInfo (RFC 5480) of the curve P-256, up to the point.
const SPKI_BEFORE_POINT: &str = "3059301306072a8648ce3d020106082a8648ce3d030107034200";

pub(crate) struct Receipt {
    protected: Vec<u8>,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl Receipt {
    /// Decodes the value of the receipt header.
    pub(crate) fn read(header: &str) -> Self {
        assert!(header.len() <= 600, "{header}");
        let bytes = STANDARD.decode(header).unwrap();
        let value: Value = ciborium::from_reader(&bytes[..]).unwrap();
        let Value::Tag(18, envelope) = value else { panic!("not a COSE_Sign1: {value:?}") };
        let Ok([protected, unprotected, payload, signature]) =
            <[Value; 4]>::try_from(envelope.into_array().unwrap())
        else {
            panic!("the envelope does not have four elements")
        };
        assert_eq!(unprotected, Value::Map(Vec::new()));
        let [protected, payload, signature] =
            [protected, payload, signature].map(|value| value.into_bytes().unwrap());
        Self { protected, payload, signature }
    }

    /// Asserts that the receipt was signed with the key that has this uncompressed point, and that
    /// `kid` identifies this key.
    pub(crate) fn verify(&self, point: &[u8]) {
        assert_eq!(
            map(&self.protected),
            [
                (1.into(), (-7).into()),
                (4.into(), Value::Bytes(Sha256::digest(point).to_vec())),
                (16.into(), "application/attested-random-receipt+cbor".into()),
            ]
        );
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, content).unwrap();
            path
        };
        let key = [&const_hex::decode(SPKI_BEFORE_POINT).unwrap(), point].concat();
        let mut openssl = Command::new("openssl");
        openssl.args(["dgst", "-sha256", "-keyform", "DER", "-verify"]).arg(file("key", &key));
        openssl.arg("-signature").arg(file("signature", &der_signature(&self.signature)));
        let output = openssl.arg(file("signed", &self.sig_structure())).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// Returns the Sig_structure (RFC 9052 section 4.4).
    fn sig_structure(&self) -> Vec<u8> {
        let bytes = |bytes: &[u8]| Value::Bytes(bytes.to_vec());
        let structure = Value::Array(vec![
            "Signature1".into(),
            bytes(&self.protected),
            bytes(EXTERNAL_AAD),
            bytes(&self.payload),
        ]);
        let mut encoded = Vec::new();
        ciborium::into_writer(&structure, &mut encoded).unwrap();
        encoded
    }

    /// Returns a member of the payload.
    pub(crate) fn member(&self, name: &str) -> Option<Value> {
        let members = map(&self.payload).into_iter();
        members.filter(|(key, _)| key.as_text() == Some(name)).map(|(_, value)| value).next()
    }
}

fn map(encoded: &[u8]) -> Vec<(Value, Value)> {
    ciborium::from_reader::<Value, _>(encoded).unwrap().into_map().unwrap()
}

/// Converts a signature from r and s of 32 bytes each (RFC 9053 section 2.1) to DER (RFC 3279 section
/// 2.2.3).
fn der_signature(signature: &[u8]) -> Vec<u8> {
    assert_eq!(signature.len(), 64);
    let integers: Vec<u8> = signature.chunks(32).flat_map(der_integer).collect();
    [&[0x30, u8::try_from(integers.len()).unwrap()], &integers[..]].concat()
}

/// Encodes an unsigned integer without leading zeros, except the zero that keeps it positive.
fn der_integer(number: &[u8]) -> Vec<u8> {
    let leading = number.iter().take_while(|byte| **byte == 0).count();
    let mut digits = number[leading..].to_vec();
    if digits.first().is_none_or(|first| *first >= 0x80) {
        digits.insert(0, 0);
    }
    [&[2, u8::try_from(digits.len()).unwrap()], &digits[..]].concat()
}
