//! The crypto provider of rustls. [`attestation::crypto`] uses the same provider.

use std::sync::Arc;

use attestation::crypto::{CryptoError, generate_p256_key};
use rustls::crypto::CryptoProvider;
#[cfg(feature = "aws-lc-rs")]
use rustls::crypto::aws_lc_rs as provider;
#[cfg(not(feature = "aws-lc-rs"))]
use rustls::crypto::ring as provider;
use rustls::server::ProducesTickets;
use rustls::sign::SigningKey;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// Returns the configuration of rustls for the provider: cipher suites, key exchanges and signatures.
pub fn tls_provider() -> Arc<CryptoProvider> {
    Arc::new(provider::default_provider())
}

/// Creates an encryptor of session tickets. The keys never leave the encryptor. It replaces its key every six hours,
/// and accepts tickets of the previous key for six more hours.
///
/// # Errors
/// If the source of randomness fails.
pub(super) fn tls_ticketer() -> Result<Arc<dyn ProducesTickets>, CryptoError> {
    provider::Ticketer::new().map_err(|_| CryptoError)
}

/// Generates an ECDSA key over P-256.
///
/// # Errors
/// If the source of randomness fails.
pub fn generate_tls_key() -> Result<Arc<dyn SigningKey>, CryptoError> {
    let pkcs8 = generate_p256_key()?;
    load_tls_key(&PrivateKeyDer::from(PrivatePkcs8KeyDer::from(pkcs8.as_slice())))
}

/// Loads a private key: RSA, ECDSA or Ed25519.
///
/// # Errors
/// If the key is malformed or of another type.
pub fn load_tls_key(key: &PrivateKeyDer<'_>) -> Result<Arc<dyn SigningKey>, CryptoError> {
    provider::sign::any_supported_type(key).map_err(|_| CryptoError)
}
