//! A key that signs certificates and handshakes.

use std::sync::Arc;

use rcgen::{PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm, SigningKey};
use rustls::SignatureScheme;

use attestation::crypto::{CryptoError, Sha256};

use super::provider::generate_tls_key;

/// Bytes of a key identifier, the first of a SHA-256 (RFC 7093 section 2, method 1).
const KEY_ID_LENGTH: usize = 20;

/// Bytes of a P-256 point, uncompressed: the last ones of its SubjectPublicKeyInfo.
const POINT_LENGTH: usize = 65;

/// A key that the provider keeps, as the issuer of certificates wants it.
pub(super) struct CertificateKey {
    pub(super) signer: Arc<dyn rustls::sign::SigningKey>,
    /// The uncompressed point.
    public: Vec<u8>,
}

impl CertificateKey {
    pub(super) fn generate() -> Result<Self, CryptoError> {
        let signer = generate_tls_key()?;
        let spki = signer.public_key().ok_or(CryptoError)?;
        let (_, point) = spki.split_last_chunk::<POINT_LENGTH>().ok_or(CryptoError)?;
        Ok(Self { public: point.to_vec(), signer })
    }

    /// Its identifier in certificates.
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
