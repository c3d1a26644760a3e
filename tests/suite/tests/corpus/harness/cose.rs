//! Valid and invalid COSE_Sign1 envelopes (RFC 9052), each with a signature over its content.

use simulator::Key;

use crate::harness::cbor;
use crate::harness::service::{LEAF, valid_document};

/// The protected header {1: -35}: algorithm ES384.
pub(crate) const ES384: [u8; 4] = [0xa1, 1, 0x38, 34];

/// The order of P-384 (FIPS 186-5, SP 800-186 section 3.2.1.4).
#[rustfmt::skip]
pub(crate) const N: [u8; 48] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf, 0x58, 0x1a, 0x0d, 0xb2,
    0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
];

/// The four parts of an envelope, each encoded.
#[derive(Clone)]
pub(crate) struct Envelope {
    pub(crate) protected: Vec<u8>,
    pub(crate) unprotected: Vec<u8>,
    pub(crate) payload: Vec<u8>,
    pub(crate) signature: Vec<u8>,
}

impl Envelope {
    /// The offset of the payload's byte string in a well-formed document without a tag.
    pub(crate) const OFFSET_OF_PAYLOAD: usize = 7;

    /// Creates a valid envelope that the leaf of the valid chain signs.
    pub(crate) fn signed(payload: &[u8]) -> Self {
        Self {
            protected: cbor::bytes(&ES384),
            unprotected: vec![0xa0],
            payload: cbor::bytes(payload),
            signature: cbor::bytes(&signature(&ES384, payload)),
        }
    }

    pub(crate) fn raw_signature(&self) -> Vec<u8> {
        self.signature[2..].to_vec()
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        array_of_four(&[&self.protected, &self.unprotected, &self.payload, &self.signature])
    }
}

fn array_of_four(parts: &[&[u8]; 4]) -> Vec<u8> {
    [&[0x84], &parts.concat()[..]].concat()
}

/// Signs a document whose protected header consists of the bytes `protected`. The signature covers
/// `header`, which is the header that `protected` decodes to.
pub(crate) fn sign(protected: &[u8], header: &[u8], unprotected: &[u8], payload: &[u8]) -> Vec<u8> {
    let signature = cbor::bytes(&signature(header, payload));
    array_of_four(&[protected, unprotected, &cbor::bytes(payload), &signature])
}

/// Encodes ["Signature1", protected, external_aad, payload] (RFC 9052 section 4.4).
fn sig_structure(header: &[u8], payload: &[u8]) -> Vec<u8> {
    let parts =
        [cbor::text("Signature1"), cbor::bytes(header), cbor::bytes(&[]), cbor::bytes(payload)];
    cbor::array(&parts)
}

fn with_leaf_key<T>(sign: impl FnOnce(&Key) -> T) -> T {
    sign(valid_document().key(LEAF).unwrap())
}

fn signature(header: &[u8], payload: &[u8]) -> Vec<u8> {
    with_leaf_key(|key| key.sign(&sig_structure(header, payload)).unwrap())
}

/// Returns a valid signature in DER. COSE requires the concatenation of r and s instead.
pub(crate) fn der_signature(payload: &[u8]) -> Vec<u8> {
    with_leaf_key(|key| key.sign_der(&sig_structure(&ES384, payload)).unwrap())
}

/// Returns n - `s` as big-endian bytes. If (r, s) is a valid signature, (r, n - s) is valid too.
pub(crate) fn n_minus(s: [u8; 48]) -> [u8; 48] {
    let mut difference = [0; 48];
    let mut borrow = false;
    for index in (0..48).rev() {
        let (byte, first) = N[index].overflowing_sub(s[index]);
        let (byte, second) = byte.overflowing_sub(u8::from(borrow));
        difference[index] = byte;
        borrow = first || second;
    }
    difference
}

/// Returns the number plus one. The last byte must not overflow.
pub(crate) fn plus_one(mut number: [u8; 48]) -> [u8; 48] {
    number[47] += 1;
    number
}
