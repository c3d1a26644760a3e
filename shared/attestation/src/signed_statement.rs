//! The statements that the receipt key signs: COSE_Sign1 (RFC 9052 section 4.2) with ES256.
//!
//! Each kind of statement has its own content type and its own external_aad. So a statement of one kind never
//! verifies as another kind, and its content type shows the mistake before the signature does.
//!
//! A statement has exactly one encoding: tag 18, an array of four, the protected header, an empty unprotected
//! header, the payload and the signature, all in their shortest form.

use std::ops::Range;

use thiserror::Error;

use crate::cbor::{CborError, Reader};
use crate::crypto::{
    CryptoError, ES256_SIGNATURE_LENGTH, Es256Key, P256_POINT_LENGTH, SHA_256_LENGTH, Sha256,
    has_low_s, verify_es256,
};
use crate::hex::Hex;

/// Tag 18 and the head of an array of four.
const TAGGED_ARRAY_OF_FOUR: [u8; 2] = [0xd2, 0x84];

const EMPTY_MAP: u8 = 0xa0;

/// A map of three entries; the first is {1: -7}, which is alg ES256; the second begins: 4, which is kid, and the
/// head of a byte string of 32 bytes.
const PROTECTED_BEFORE_KID: [u8; 6] = [0xa3, 0x01, 0x26, 0x04, 0x58, 0x20];

/// The key of the third entry: 16, which is typ (RFC 9596).
const TYP: u8 = 0x10;

/// The identifier of a receipt key: the SHA-256 digest of its uncompressed point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; SHA_256_LENGTH]);

impl KeyId {
    /// Returns the identifier of the key with the uncompressed point `point`.
    pub fn of(point: &[u8; P256_POINT_LENGTH]) -> Self {
        Self(Sha256::digest(point))
    }
}

impl std::fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Hex(&self.0).fmt(formatter)
    }
}

/// A kind of statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StatementKind {
    /// The value of the header typ.
    pub(crate) content_type: &'static str,
    pub(crate) external_aad: &'static [u8],
    /// Maximum length of a statement, in bytes.
    pub(crate) max_length: usize,
}

/// The reason why bytes are not a signed statement of the expected kind.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum StatementError {
    /// The statement is too long.
    #[error("it has {length} bytes, over the maximum of {max}")]
    TooLong {
        /// Length of the statement, in bytes.
        length: usize,
        /// Maximum length, in bytes.
        max: usize,
    },
    /// The first bytes are not those of a tagged COSE_Sign1.
    #[error("it does not begin with the bytes d2 84 of a tagged COSE_Sign1")]
    NotCoseSign1,
    /// The protected header is not a definite-length byte string.
    #[error("protected header: {0}")]
    ProtectedHeader(CborError),
    /// The protected header has other members, or another encoding.
    #[error("the protected header is not {{1: -7, 4: kid, 16: typ}} in its shortest encoding")]
    ProtectedMembers,
    /// The header typ names another kind of statement.
    #[error("its typ is not {expected}")]
    ContentType {
        /// The expected type.
        expected: &'static str,
    },
    /// The unprotected header is not an empty map.
    #[error("the unprotected header is not an empty map")]
    UnprotectedHeader,
    /// The payload is not a definite-length byte string.
    #[error("payload: {0}")]
    Payload(CborError),
    /// The signature is not a definite-length byte string.
    #[error("signature: {0}")]
    Signature(CborError),
    /// The signature has another length.
    #[error("the signature has {length} bytes, not {ES256_SIGNATURE_LENGTH}")]
    SignatureLength {
        /// Length of the signature, in bytes.
        length: usize,
    },
    /// Bytes follow the statement.
    #[error("{count} bytes follow the COSE_Sign1")]
    TrailingBytes {
        /// Number of these bytes.
        count: usize,
    },
}

/// The reason why the signature of a statement is rejected.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum StatementSignatureError {
    /// s is over n / 2.
    #[error("s of the signature is over n/2; an enclave signs with a low s")]
    HighS,
    /// The signature does not verify.
    #[error("the signature does not verify with the receipt key of the enclave's document")]
    Invalid,
}

/// A statement whose form was checked. Its signature was not verified.
#[derive(Debug)]
pub(crate) struct SignedStatement<'a> {
    kind: StatementKind,
    key_id: KeyId,
    payload: &'a [u8],
    signature: [u8; ES256_SIGNATURE_LENGTH],
}

impl StatementKind {
    /// Signs `payload` with `key`. Returns the statement.
    pub(crate) fn sign(self, key: &Es256Key, payload: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let protected = self.protected(KeyId::of(key.public_key()));
        let signature = key.sign(&self.sig_structure(&protected, payload))?;
        let mut statement = Vec::with_capacity(self.max_length);
        statement.extend_from_slice(&TAGGED_ARRAY_OF_FOUR);
        push_byte_string(&mut statement, &protected);
        statement.push(EMPTY_MAP);
        push_byte_string(&mut statement, payload);
        push_byte_string(&mut statement, &signature);
        Ok(statement)
    }

    /// Parses a statement and checks its form.
    pub(crate) fn parse(self, bytes: &[u8]) -> Result<SignedStatement<'_>, StatementError> {
        if bytes.len() > self.max_length {
            return Err(StatementError::TooLong { length: bytes.len(), max: self.max_length });
        }
        let mut reader = Reader::new(bytes, 0..bytes.len());
        if !TAGGED_ARRAY_OF_FOUR.into_iter().all(|byte| reader.take_if(byte)) {
            return Err(StatementError::NotCoseSign1);
        }
        let slice = |range: Range<usize>| bytes.get(range).unwrap_or_default();
        let protected = slice(reader.bytes().map_err(StatementError::ProtectedHeader)?);
        let key_id = self.key_id(protected)?;
        if !reader.take_if(EMPTY_MAP) {
            return Err(StatementError::UnprotectedHeader);
        }
        let payload = slice(reader.bytes().map_err(StatementError::Payload)?);
        let signature = slice(reader.bytes().map_err(StatementError::Signature)?);
        let length = signature.len();
        let signature =
            signature.try_into().map_err(|_| StatementError::SignatureLength { length })?;
        match reader.remaining() {
            0 => Ok(SignedStatement { kind: self, key_id, payload, signature }),
            count => Err(StatementError::TrailingBytes { count }),
        }
    }

    /// Returns the key identifier in a protected header, whose other bytes are fixed.
    fn key_id(self, protected: &[u8]) -> Result<KeyId, StatementError> {
        let (key_id, typ) = protected
            .strip_prefix(&PROTECTED_BEFORE_KID)
            .and_then(|rest| rest.split_first_chunk::<SHA_256_LENGTH>())
            .ok_or(StatementError::ProtectedMembers)?;
        let key_id = KeyId(*key_id);
        if protected == self.protected(key_id) {
            return Ok(key_id);
        }
        // A typ in its shortest encoding is the name of another kind.
        let mut reader = Reader::new(typ, 0..typ.len());
        let is_text = reader.take_if(TYP) && reader.text().is_ok() && reader.remaining() == 0;
        Err(match is_text {
            true => StatementError::ContentType { expected: self.content_type },
            false => StatementError::ProtectedMembers,
        })
    }

    /// Returns the protected header {1: -7, 4: kid, 16: typ} in deterministic encoding (RFC 8949 section 4.2.1).
    fn protected(self, key_id: KeyId) -> Vec<u8> {
        let mut protected = PROTECTED_BEFORE_KID.to_vec();
        protected.extend_from_slice(&key_id.0);
        protected.push(TYP);
        push_head(&mut protected, TEXT, length(self.content_type.as_bytes()));
        protected.extend_from_slice(self.content_type.as_bytes());
        protected
    }

    /// Returns the Sig_structure (RFC 9052 section 4.4), which is signed.
    fn sig_structure(self, protected: &[u8], payload: &[u8]) -> Vec<u8> {
        let mut structure = b"\x84\x6aSignature1".to_vec();
        push_byte_string(&mut structure, protected);
        push_byte_string(&mut structure, self.external_aad);
        push_byte_string(&mut structure, payload);
        structure
    }
}

impl<'a> SignedStatement<'a> {
    pub(crate) const fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// Returns the payload, whose signature was not verified.
    pub(crate) const fn unverified_payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Verifies the signature with the key `point`.
    pub(crate) fn verify(
        &self,
        point: &[u8; P256_POINT_LENGTH],
    ) -> Result<(), StatementSignatureError> {
        if !has_low_s(&self.signature) {
            return Err(StatementSignatureError::HighS);
        }
        let protected = self.kind.protected(self.key_id);
        let signed = self.kind.sig_structure(&protected, self.payload);
        verify_es256(point, &signed, &self.signature).map_err(|_| StatementSignatureError::Invalid)
    }
}

/// The major types of CBOR (RFC 8949 section 3.1), shifted to the first three bits.
pub(crate) const UNSIGNED: u8 = 0x00;
pub(crate) const BYTES: u8 = 0x40;
pub(crate) const TEXT: u8 = 0x60;
pub(crate) const ARRAY: u8 = 0x80;
pub(crate) const MAP: u8 = 0xa0;

/// Appends the head of a data item in its shortest form (RFC 8949 section 4.2.1).
pub(crate) fn push_head(output: &mut Vec<u8>, major: u8, argument: u64) {
    let bytes = argument.to_be_bytes();
    let [.., b4, b5, b6, b7] = bytes;
    match argument {
        0..=23 => output.push(major | b7),
        24..=0xff => output.extend([major | 24, b7]),
        0x100..=0xffff => output.extend([major | 25, b6, b7]),
        0x1_0000..=0xffff_ffff => output.extend([major | 26, b4, b5, b6, b7]),
        _ => {
            output.push(major | 27);
            output.extend_from_slice(&bytes);
        }
    }
}

/// Appends a byte string.
pub(crate) fn push_byte_string(output: &mut Vec<u8>, bytes: &[u8]) {
    push_head(output, BYTES, length(bytes));
    output.extend_from_slice(bytes);
}

/// Appends a text string.
pub(crate) fn push_text(output: &mut Vec<u8>, text: &str) {
    push_head(output, TEXT, length(text.as_bytes()));
    output.extend_from_slice(text.as_bytes());
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "signed_statement_tests.rs"]
mod tests;
