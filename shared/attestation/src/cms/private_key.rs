//! The recipient's private key.

use std::fmt;

use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::{DecodePrivateKey, EncodePublicKey};
use rsa::sha2::Sha256;
use sha2::Digest;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::crypto::SystemRandom;
use crate::{RecipientKeyError, check_spki};

/// An RSA private key with its public key. A document contains the public key. The private key is wiped on
/// drop and cannot be cloned.
pub struct RecipientPrivateKey {
    key: rsa::PrivateKey,
    spki: Vec<u8>,
}

/// A reason why a private key cannot be parsed or generated.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum PrivateKeyError {
    /// The text is neither PKCS#8 nor PKCS#1 PEM of an RSA key.
    #[error(
        "not an unencrypted RSA private key in PEM (BEGIN PRIVATE KEY or BEGIN RSA PRIVATE KEY)"
    )]
    NotRsaPem,
    /// The key has a size or exponent that is not allowed for recipients.
    #[error("the key is not suitable for a recipient: {0}")]
    UnsuitableKey(RecipientKeyError),
    /// Generation failed.
    #[error("cannot generate an RSA key")]
    Generate,
}

impl RecipientPrivateKey {
    /// Generates an RSA key of `bits` (2048, 3072 or 4096) with the provider's source of randomness.
    ///
    /// # Errors
    /// If `bits` is another size, or the source of randomness fails.
    pub fn generate(bits: usize) -> Result<Self, PrivateKeyError> {
        if ![2048, 3072, 4096].contains(&bits) {
            return Err(PrivateKeyError::UnsuitableKey(RecipientKeyError::ModulusSize { bits }));
        }
        let key =
            rsa::PrivateKey::new(&mut SystemRandom, bits).map_err(|_| PrivateKeyError::Generate)?;
        Self::from_rsa(key)
    }

    /// Parses an unencrypted PKCS#8 or PKCS#1 key in PEM.
    ///
    /// # Errors
    /// If `pem` is neither, or the key has a size or exponent that is not allowed for recipients.
    pub fn from_pem(pem: &str) -> Result<Self, PrivateKeyError> {
        let key = rsa::PrivateKey::from_pkcs8_pem(pem)
            .or_else(|_| rsa::PrivateKey::from_pkcs1_pem(pem))
            .map_err(|_| PrivateKeyError::NotRsaPem)?;
        Self::from_rsa(key)
    }

    fn from_rsa(key: rsa::PrivateKey) -> Result<Self, PrivateKeyError> {
        let spki =
            key.to_public_key().to_public_key_der().map_err(|_| PrivateKeyError::Generate)?;
        let spki = spki.into_vec();
        check_spki(&spki).map_err(PrivateKeyError::UnsuitableKey)?;
        Ok(Self { key, spki })
    }

    /// Returns the public key as a DER SubjectPublicKeyInfo, for a document's `public_key`.
    pub fn public_key_der(&self) -> &[u8] {
        &self.spki
    }

    /// Returns the SHA-256 digest of [`public_key_der`](Self::public_key_der), which identifies the
    /// recipient in a ciphertext.
    pub fn subject_key_identifier(&self) -> [u8; 32] {
        sha2::Sha256::digest(&self.spki).into()
    }

    /// Decrypts RSAES-OAEP (SHA-256, MGF1 with SHA-256) with blinding.
    pub(super) fn decrypt(&self, encrypted: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.key.oaep_decrypt::<Sha256>(encrypted).ok().map(Zeroizing::new)
    }
}

impl fmt::Debug for RecipientPrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RecipientPrivateKey(..)")
    }
}
