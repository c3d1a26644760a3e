//! Operations that both providers implement with the API of *ring*.

#[cfg(feature = "simulator")]
use std::fmt;

use super::CryptoError;
use super::provider::api::error::Unspecified;
use super::provider::api::rand::{SecureRandom, SystemRandom};
use super::provider::api::signature;

impl From<Unspecified> for CryptoError {
    fn from(_: Unspecified) -> Self {
        Self
    }
}

/// Fills `buffer` with cryptographically secure random bytes of the provider.
///
/// # Errors
/// If the source of randomness fails.
pub fn fill_random(buffer: &mut [u8]) -> Result<(), CryptoError> {
    Ok(SystemRandom::new().fill(buffer)?)
}

/// Generates a P-256 key. Returns it as PKCS#8 in DER.
///
/// # Errors
/// If the source of randomness fails.
pub fn generate_p256_key() -> Result<zeroize::Zeroizing<Vec<u8>>, CryptoError> {
    let algorithm = &signature::ECDSA_P256_SHA256_ASN1_SIGNING;
    let key = signature::EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new())?;
    Ok(zeroize::Zeroizing::new(key.as_ref().to_vec()))
}

/// A P-384 key that signs with ES384. Its Debug output does not contain the key.
#[cfg(feature = "simulator")]
pub struct SigningKey {
    pair: signature::EcdsaKeyPair,
    random: SystemRandom,
}

#[cfg(feature = "simulator")]
impl SigningKey {
    /// Generates a key. Returns it as PKCS#8 in DER.
    ///
    /// # Errors
    /// If the source of randomness fails.
    pub fn generate_pkcs8() -> Result<zeroize::Zeroizing<Vec<u8>>, CryptoError> {
        let algorithm = &signature::ECDSA_P384_SHA384_FIXED_SIGNING;
        let key = signature::EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new())?;
        Ok(zeroize::Zeroizing::new(key.as_ref().to_vec()))
    }

    /// Parses a key from PKCS#8 in DER.
    ///
    /// # Errors
    /// If it is not a P-384 key.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, CryptoError> {
        let random = SystemRandom::new();
        Ok(Self { pair: super::provider::key_pair(pkcs8, &random)?, random })
    }

    /// Returns the public key as an uncompressed point.
    pub fn public_key(&self) -> &[u8] {
        use signature::KeyPair;
        self.pair.public_key().as_ref()
    }

    /// Returns whether `signature` (r and s, 48 bytes each) is a signature of this key over `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        super::verify_es384(self.public_key(), &[message], signature).is_ok()
    }

    /// Signs `message`. Returns r and s, 48 bytes each.
    ///
    /// # Errors
    /// If the provider fails.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Ok(self.pair.sign(&self.random, message)?.as_ref().to_vec())
    }
}

#[cfg(feature = "simulator")]
impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SigningKey(..)")
    }
}
