//! A COSE_Sign1 of the parts that a test chooses, written without the crate's encoder.

use attestation::KeyId;
use attestation::crypto::Es256Key;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub(crate) const RECEIPT_TYPE: &str = "application/attested-random-receipt+cbor";
pub(crate) const RECEIPT_AAD: &[u8] = b"attested-random receipt v1";
pub(crate) const DIGEST_AAD: &[u8] = b"attested-random audit digest v1";

/// The order n of P-256 (SEC 2, section 2.4.2).
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// The parts of a statement. `head` is the tag and the head of the array.
#[derive(Clone)]
pub(crate) struct Statement {
    pub(crate) head: Vec<u8>,
    pub(crate) protected: Vec<u8>,
    pub(crate) unprotected: Vec<u8>,
    pub(crate) payload: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

impl Statement {
    /// Signs a statement of this type with this external_aad.
    pub(crate) fn signed(key: &Es256Key, typ: &str, external_aad: &[u8], payload: &[u8]) -> Self {
        let protected = protected(key, typ);
        let structure = [
            &b"\x84\x6aSignature1"[..],
            &byte_string(&protected),
            &byte_string(external_aad),
            &byte_string(payload),
        ];
        let signature = key.sign(&structure.concat()).unwrap();
        Self {
            head: vec![0xd2, 0x84],
            protected: byte_string(&protected),
            unprotected: vec![0xa0],
            payload: byte_string(payload),
            signature: byte_string(&signature),
        }
    }

    /// Splits a valid receipt into its parts.
    pub(crate) fn of_header(header: &str, key: &Es256Key) -> Self {
        let bytes = STANDARD.decode(header).unwrap();
        let protected = byte_string(&protected(key, RECEIPT_TYPE));
        let payload = 2 + protected.len() + 1;
        let signature = bytes.len() - 66;
        let statement = Self {
            head: bytes[..2].to_vec(),
            protected: bytes[2..payload - 1].to_vec(),
            unprotected: bytes[payload - 1..payload].to_vec(),
            payload: bytes[payload..signature].to_vec(),
            signature: bytes[signature..].to_vec(),
        };
        assert_eq!(statement.protected, protected);
        assert_eq!((&statement.unprotected[..], statement.signature[0]), (&[0xa0][..], 0x58));
        statement
    }

    /// Returns the payload without the head of its byte string.
    pub(crate) fn payload_content(&self) -> &[u8] {
        match self.payload[0] {
            0x58 => &self.payload[2..],
            _ => &self.payload[3..],
        }
    }

    /// Returns the statement with n - s for s.
    pub(crate) fn with_high_s(mut self) -> Self {
        let s = self.signature.len() - 32;
        let mut borrow = 0;
        for index in (0..32).rev() {
            let difference =
                i16::from(ORDER[index]) - i16::from(self.signature[s + index]) - borrow;
            borrow = i16::from(difference < 0);
            self.signature[s + index] = u8::try_from(difference.rem_euclid(256)).unwrap();
        }
        self
    }

    /// Encodes the statement.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let Self { head, protected, unprotected, payload, signature } = self;
        [&head[..], protected, unprotected, payload, signature].concat()
    }

    /// Encodes the statement as the value of a header.
    pub(crate) fn header(&self) -> String {
        STANDARD.encode(self.bytes())
    }
}

/// Encodes the protected header {1: -7, 4: kid, 16: typ}.
pub(crate) fn protected(key: &Es256Key, typ: &str) -> Vec<u8> {
    let kid = KeyId::of(key.public_key()).0;
    let length = u8::try_from(typ.len()).unwrap();
    [&[0xa3, 0x01, 0x26, 0x04, 0x58, 0x20][..], &kid, &[0x10, 0x78, length], typ.as_bytes()]
        .concat()
}

/// Encodes a byte string of at most 65,535 bytes.
pub(crate) fn byte_string(content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    let head: &[u8] = match content.len() {
        0..=23 => &[0x40 | low],
        24..=0xff => &[0x58, low],
        _ => &[0x59, high, low],
    };
    [head, content].concat()
}
