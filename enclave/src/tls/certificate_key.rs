//! A key that signs certificates and handshakes.

use std::sync::Arc;

use rcgen::{PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm, SigningKey};
use rustls::SignatureScheme;

use attestation::crypto::{CryptoError, Sha256};

use super::provider::generate_tls_key;

/// Length of a key identifier, in bytes: a truncated SHA-256 digest (RFC 7093 section 2, method 1).
const KEY_ID_LENGTH: usize = 20;

/// Length of an uncompressed P-256 point, in bytes. A SubjectPublicKeyInfo ends with the point.
const POINT_LENGTH: usize = 65;

/// A private key of the crypto provider, as a signing key for rcgen.
pub(super) struct CertificateKey {
    pub(super) signer: Arc<dyn rustls::sign::SigningKey>,
    /// The public key, as an uncompressed point.
    public: Vec<u8>,
}

impl CertificateKey {
    pub(super) fn generate() -> Result<Self, CryptoError> {
        let signer = generate_tls_key()?;
        let spki = signer.public_key().ok_or(CryptoError)?;
        let (_, point) = spki.split_last_chunk::<POINT_LENGTH>().ok_or(CryptoError)?;
        Ok(Self { public: point.to_vec(), signer })
    }

    /// Returns the key identifier for certificates.
    pub(super) fn id(&self) -> [u8; KEY_ID_LENGTH] {
        let digest = Sha256::digest(&self.public);
        std::array::from_fn(|index| digest.get(index).copied().unwrap_or_default())
    }
}

impl PublicKeyData for CertificateKey {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl SigningKey for CertificateKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signer = self.signer.choose_scheme(&[SignatureScheme::ECDSA_NISTP256_SHA256]);
        let signature = signer.and_then(|signer| signer.sign(message).ok());
        signature.ok_or(rcgen::Error::RemoteKeyError)
    }
}
