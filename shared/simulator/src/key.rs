//! The simulator's signing keys (P-384). The crypto provider wipes the keys.

use std::fmt;

use aws_nitro_enclaves_cose::crypto::{
    MessageDigest, SignatureAlgorithm, SigningPrivateKey, SigningPublicKey,
};
use aws_nitro_enclaves_cose::error::CoseError;
use zeroize::Zeroizing;

use super::der;
use attestation::crypto::{self, CryptoError};

/// A key that signs certificates and documents.
pub struct Key(crypto::SigningKey);

impl Key {
    /// Generates a key. Returns it with its PKCS#8 form.
    ///
    /// # Errors
    /// If the provider fails.
    pub fn generate() -> Result<(Self, Zeroizing<Vec<u8>>), CryptoError> {
        let pkcs8 = crypto::SigningKey::generate_pkcs8()?;
        Ok((Self::from_pkcs8(&pkcs8)?, pkcs8))
    }

    /// Parses a key from PKCS#8 in DER.
    ///
    /// # Errors
    /// If it is not a P-384 key.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, CryptoError> {
        crypto::SigningKey::from_pkcs8(pkcs8).map(Self)
    }

    /// Returns the public key as an uncompressed point.
    pub fn public_key(&self) -> &[u8] {
        self.0.public_key()
    }

    /// Signs `message` with ES384. Returns r and s, 48 bytes each.
    ///
    /// # Errors
    /// If the provider fails.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.0.sign(message)
    }

    /// Signs `message` with ES384. Returns the signature as in X.509: a SEQUENCE of two INTEGERs (RFC 3279
    /// section 2.2.3).
    ///
    /// # Errors
    /// If the provider fails.
    pub fn sign_der(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let signature = self.sign(message)?;
        let (r, s) = signature.split_at_checked(signature.len() / 2).ok_or(CryptoError)?;
        Ok(der::sequence(&[&der::integer(r), &der::integer(s)]))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Key(..)")
    }
}

impl SigningPublicKey for Key {
    fn get_parameters(&self) -> Result<(SignatureAlgorithm, MessageDigest), CoseError> {
        Ok((SignatureAlgorithm::ES384, MessageDigest::Sha384))
    }

    fn verify(&self, sig_structure: &[u8], signature: &[u8]) -> Result<bool, CoseError> {
        Ok(self.0.verifies(sig_structure, signature))
    }
}

impl SigningPrivateKey for Key {
    fn sign(&self, sig_structure: &[u8]) -> Result<Vec<u8>, CoseError> {
        self.0.sign(sig_structure).map_err(|error| CoseError::SignatureError(Box::new(error)))
    }
}
