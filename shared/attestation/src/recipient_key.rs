//! The recipient's key: the checks of a document's `public_key` before data is sealed to it.
//!
//! AWS documents RSA-2048. RSA-3072 and RSA-4096 are accepted as well. Other sizes and exponents are rejected,
//! because they make encryption expensive: an 8192-bit key with a large exponent costs 600 times as much as a
//! 2048-bit key.

use std::fmt;

use rsa::pkcs8::SubjectPublicKeyInfoRef;
use rsa::pkcs8::der::asn1::{Null, UintRef};
use rsa::pkcs8::der::{Decode, Reader, SliceReader};
use rsa::pkcs8::spki::ObjectIdentifier;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::crypto::OaepPublicKey;

/// rsaEncryption (RFC 8017 appendix C).
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const MODULUS_BITS: [usize; 3] = [2048, 3072, 4096];
const PUBLIC_EXPONENT: &[u8] = &[0x01, 0x00, 0x01];
const PEM_PREFIX: &[u8] = b"-----BEGIN ";

/// A reason why a document's `public_key` is rejected.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum RecipientKeyError {
    /// The document has no `public_key`.
    #[error("the document has no public_key; request one that carries an RSA key as DER SPKI")]
    Absent,
    /// The key is PEM text.
    #[error("public_key is PEM; it must be DER (SubjectPublicKeyInfo)")]
    Pem,
    /// The key is a bare PKCS#1 RSAPublicKey.
    #[error("public_key is a PKCS#1 RSAPublicKey; it must be a DER SubjectPublicKeyInfo")]
    Pkcs1,
    /// The key is not exactly one SubjectPublicKeyInfo in canonical DER.
    #[error("public_key is not one canonical DER SubjectPublicKeyInfo")]
    NotSpki,
    /// The key is not an RSA key with the algorithm rsaEncryption.
    #[error("public_key is not of algorithm rsaEncryption with NULL parameters")]
    Algorithm,
    /// The RSAPublicKey inside is not canonical DER, or its numbers are not positive.
    #[error("public_key holds no canonical RSAPublicKey")]
    NotRsaPublicKey,
    /// The modulus has a size that is not allowed.
    #[error("public_key has a modulus of {bits} bits; 2048, 3072 and 4096 are allowed")]
    ModulusSize {
        /// The size, in bits.
        bits: usize,
    },
    /// The modulus is even.
    #[error("public_key has an even modulus")]
    EvenModulus,
    /// The public exponent is not 65537.
    #[error("public_key has another public exponent than 65537")]
    Exponent,
    /// The crypto provider rejects the key.
    #[error("public_key is not a usable RSA key")]
    Unusable,
}

/// The RSA key of a verified document, which passed every check of this module.
pub struct RecipientKey {
    key: OaepPublicKey,
    modulus_length: usize,
    subject_key_identifier: [u8; 32],
}

impl RecipientKey {
    /// Checks and loads a SubjectPublicKeyInfo. Only a verified document calls this function.
    pub(crate) fn parse(spki: &[u8]) -> Result<Self, RecipientKeyError> {
        let modulus_length = check_spki(spki)?;
        let key = OaepPublicKey::from_spki(spki).map_err(|_| RecipientKeyError::Unusable)?;
        Ok(Self { key, modulus_length, subject_key_identifier: Sha256::digest(spki).into() })
    }

    /// Returns the length of the modulus in bytes, which is also the length of a ciphertext under this key.
    pub fn modulus_length(&self) -> usize {
        self.modulus_length
    }

    /// Returns the SHA-256 digest of the SubjectPublicKeyInfo as it stands in the document.
    pub fn subject_key_identifier(&self) -> &[u8; 32] {
        &self.subject_key_identifier
    }

    pub(crate) fn oaep(&self) -> &OaepPublicKey {
        &self.key
    }
}

impl fmt::Debug for RecipientKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RecipientKey(RSA-{})", self.modulus_length * 8)
    }
}

/// Checks the form of a recipient's key, a DER SubjectPublicKeyInfo. Returns the length of the modulus in
/// bytes.
///
/// # Errors
/// The first rule that `spki` breaks.
pub fn check_spki(spki: &[u8]) -> Result<usize, RecipientKeyError> {
    if spki.starts_with(PEM_PREFIX) {
        return Err(RecipientKeyError::Pem);
    }
    let info = SubjectPublicKeyInfoRef::from_der(spki).map_err(|_| match rsa_numbers(spki) {
        Ok(_) => RecipientKeyError::Pkcs1,
        Err(_) => RecipientKeyError::NotSpki,
    })?;
    let has_null = info.algorithm.parameters.is_some_and(|any| any.decode_as::<Null>().is_ok());
    if info.algorithm.oid != RSA_ENCRYPTION || !has_null {
        return Err(RecipientKeyError::Algorithm);
    }
    let key = info.subject_public_key.as_bytes().ok_or(RecipientKeyError::NotSpki)?;
    let (modulus, exponent) = rsa_numbers(key).map_err(|_| RecipientKeyError::NotRsaPublicKey)?;
    let bits = bit_length(modulus);
    if !MODULUS_BITS.contains(&bits) {
        return Err(RecipientKeyError::ModulusSize { bits });
    }
    if modulus.last().is_none_or(|byte| byte & 1 == 0) {
        return Err(RecipientKeyError::EvenModulus);
    }
    if exponent != PUBLIC_EXPONENT {
        return Err(RecipientKeyError::Exponent);
    }
    Ok(modulus.len())
}

/// Returns the modulus and the exponent of a PKCS#1 RSAPublicKey, without leading zeros.
fn rsa_numbers(der: &[u8]) -> rsa::pkcs8::der::Result<(&[u8], &[u8])> {
    let mut reader = SliceReader::new(der)?;
    let numbers = reader.sequence(|reader| {
        let modulus = UintRef::decode(reader)?;
        let exponent = UintRef::decode(reader)?;
        rsa::pkcs8::der::Result::Ok((modulus.as_bytes(), exponent.as_bytes()))
    })?;
    reader.finish()?;
    Ok(numbers)
}

fn bit_length(number: &[u8]) -> usize {
    let leading = number.first().map_or(8, |byte| byte.leading_zeros());
    (number.len() * 8).saturating_sub(usize::try_from(leading).unwrap_or(0))
}

#[cfg(test)]
#[path = "recipient_key_tests.rs"]
mod tests;
