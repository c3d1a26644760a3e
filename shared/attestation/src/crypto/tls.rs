//! What TLS needs of the provider.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::ProducesTickets;
use rustls::sign::SigningKey;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{CryptoError, provider, ring_api};

/// The provider's part of rustls: its cipher suites, key exchanges and signatures.
pub fn tls_provider() -> Arc<CryptoProvider> {
    Arc::new(provider::tls::default_provider())
}

/// Encrypts session tickets under keys that are made here, never leave, and are replaced every six
/// hours; a ticket is good for twice that.
///
/// # Errors
/// If the source of randomness fails.
pub fn tls_ticketer() -> Result<Arc<dyn ProducesTickets>, CryptoError> {
    provider::tls::Ticketer::new().map_err(|_| CryptoError)
}

/// A new ECDSA key over P-256, which the provider keeps.
///
/// # Errors
/// If the source of randomness fails.
pub fn generate_tls_key() -> Result<Arc<dyn SigningKey>, CryptoError> {
    let pkcs8 = ring_api::generate_p256_key()?;
    load_tls_key(&PrivateKeyDer::from(PrivatePkcs8KeyDer::from(pkcs8.as_slice())))
}

/// A key of any kind that TLS can sign with: RSA, ECDSA or Ed25519.
///
/// # Errors
/// If it is of another kind, or none.
pub fn load_tls_key(key: &PrivateKeyDer<'_>) -> Result<Arc<dyn SigningKey>, CryptoError> {
    provider::tls::sign::any_supported_type(key).map_err(|_| CryptoError)
}
