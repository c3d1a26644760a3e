//! The key that an answer is sealed to.

use attestation::cms::{OpenError, PrivateKeyError, RecipientPrivateKey, open};
use zeroize::Zeroizing;

/// An RSA key pair of a recipient. The private half never leaves it, and is wiped on drop.
#[derive(Debug)]
pub struct RecipientKey(RecipientPrivateKey);

impl RecipientKey {
    /// A new RSA-2048 key, the size that AWS documents.
    ///
    /// # Errors
    /// If the source of randomness fails.
    pub fn generate() -> Result<Self, PrivateKeyError> {
        RecipientPrivateKey::generate(2048).map(Self)
    }

    /// From PEM, PKCS#8 or PKCS#1, of 2048, 3072 or 4096 bits.
    ///
    /// # Errors
    /// If it is something else.
    pub fn from_pem(pem: &str) -> Result<Self, PrivateKeyError> {
        RecipientPrivateKey::from_pem(pem).map(Self)
    }

    /// The public half, DER SubjectPublicKeyInfo: what a document carries as `public_key`.
    pub fn public_key_der(&self) -> &[u8] {
        self.0.public_key_der()
    }

    /// Opens a `CiphertextForRecipient`.
    ///
    /// # Errors
    /// If it is sealed to another key, or is of no form that KMS sends.
    pub fn open(&self, ciphertext_for_recipient: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        open(ciphertext_for_recipient, &self.0)
    }
}
