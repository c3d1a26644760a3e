//! The key to which the service seals responses.

use attestation::cms::{OpenError, PrivateKeyError, RecipientPrivateKey, open, open_content_key};
use attestation::crypto::AES_256_KEY_LENGTH;
use zeroize::Zeroizing;

/// An RSA key pair of a recipient. The private key cannot be exported and is zeroized on drop.
#[derive(Debug)]
pub struct RecipientKey(RecipientPrivateKey);

impl RecipientKey {
    /// Generates an RSA-2048 key, the size that AWS documents.
    ///
    /// # Errors
    /// Returns an error if the source of randomness fails.
    pub fn generate() -> Result<Self, PrivateKeyError> {
        RecipientPrivateKey::generate(2048).map(Self)
    }

    /// Reads a private key of 2048, 3072 or 4096 bits from PEM (PKCS#8 or PKCS#1).
    ///
    /// # Errors
    /// Returns an error if `pem` has another form or size.
    pub fn from_pem(pem: &str) -> Result<Self, PrivateKeyError> {
        RecipientPrivateKey::from_pem(pem).map(Self)
    }

    /// Returns the public key as DER SubjectPublicKeyInfo, the form of a document's `public_key`.
    pub fn public_key_der(&self) -> &[u8] {
        self.0.public_key_der()
    }

    /// Decrypts a `CiphertextForRecipient`.
    ///
    /// # Errors
    /// Returns an error if the ciphertext was sealed to another key, or if it has none of
    /// the forms that KMS writes.
    pub fn open(&self, ciphertext_for_recipient: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        open(ciphertext_for_recipient, &self.0)
    }

    /// Decrypts the content key of a `CiphertextForRecipient`.
    pub(crate) fn content_key(
        &self,
        ciphertext_for_recipient: &[u8],
    ) -> Result<Zeroizing<[u8; AES_256_KEY_LENGTH]>, OpenError> {
        open_content_key(ciphertext_for_recipient, &self.0)
    }
}
