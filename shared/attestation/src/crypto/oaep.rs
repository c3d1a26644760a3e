//! Encryption with RSAES-OAEP. Builds with the feature `simulator` count the loaded keys.

use super::{CryptoError, OAEP_SEED_LENGTH, provider};

/// An RSA public key for OAEP encryption (SHA-256, MGF1 with SHA-256, no label).
pub(crate) struct OaepPublicKey(provider::OaepPublicKey);

impl OaepPublicKey {
    /// Loads a SubjectPublicKeyInfo in DER.
    ///
    /// # Errors
    /// If the provider rejects the key.
    pub(crate) fn from_spki(spki: &[u8]) -> Result<Self, CryptoError> {
        #[cfg(feature = "simulator")]
        super::operation_counts::count_rsa_key();
        provider::OaepPublicKey::from_spki(spki).map(Self)
    }

    /// Encrypts into `output`, which must have the length of the modulus.
    ///
    /// A provider that accepts no seed ([`ACCEPTS_OAEP_SEED`](super::ACCEPTS_OAEP_SEED)) ignores `seed`.
    ///
    /// # Errors
    /// If the plaintext is too long, or the provider's source of randomness fails.
    pub(crate) fn encrypt(
        &self,
        plaintext: &[u8],
        seed: &[u8; OAEP_SEED_LENGTH],
        output: &mut [u8],
    ) -> Result<(), CryptoError> {
        self.0.encrypt(plaintext, seed, output)
    }
}
