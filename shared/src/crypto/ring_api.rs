//! What both providers offer through one interface: *ring*'s, which aws-lc-rs implements too.

use super::CryptoError;
use super::provider::api::error::Unspecified;
use super::provider::api::rand::{SecureRandom, SystemRandom};
#[cfg(any(feature = "simulator", feature = "tls"))]
use super::provider::api::signature;

impl From<Unspecified> for CryptoError {
    fn from(_: Unspecified) -> Self {
        Self
    }
}

/// Fills `buffer` with random bytes of the operating system's quality.
///
/// # Errors
/// If the source of randomness fails.
pub fn fill_random(buffer: &mut [u8]) -> Result<(), CryptoError> {
    Ok(SystemRandom::new().fill(buffer)?)
}

/// A new P-256 key in PKCS#8, DER.
#[cfg(feature = "tls")]
pub(super) fn generate_p256_key() -> Result<zeroize::Zeroizing<Vec<u8>>, CryptoError> {
    let algorithm = &signature::ECDSA_P256_SHA256_ASN1_SIGNING;
    let key = signature::EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new())?;
    Ok(zeroize::Zeroizing::new(key.as_ref().to_vec()))
}

/// A P-384 key that signs with ES384.
#[cfg(feature = "simulator")]
pub(crate) struct SigningKey {
    pair: signature::EcdsaKeyPair,
    random: SystemRandom,
}

#[cfg(feature = "simulator")]
impl SigningKey {
    /// A new key in PKCS#8, DER.
    pub(crate) fn generate_pkcs8() -> Result<zeroize::Zeroizing<Vec<u8>>, CryptoError> {
        let algorithm = &signature::ECDSA_P384_SHA384_FIXED_SIGNING;
        let key = signature::EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new())?;
        Ok(zeroize::Zeroizing::new(key.as_ref().to_vec()))
    }

    pub(crate) fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, CryptoError> {
        let random = SystemRandom::new();
        Ok(Self { pair: super::provider::key_pair(pkcs8, &random)?, random })
    }

    /// The public key as an uncompressed point.
    pub(crate) fn public_key(&self) -> &[u8] {
        use signature::KeyPair;
        self.pair.public_key().as_ref()
    }

    /// Signs `message`: r and s, 48 bytes each.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Ok(self.pair.sign(&self.random, message)?.as_ref().to_vec())
    }
}
