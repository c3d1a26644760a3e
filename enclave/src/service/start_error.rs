//! The reasons why the service does not start.

use std::io;

use attestation::crypto::CryptoError;
use thiserror::Error;

use crate::entropy::{EntropyFault, KnownAnswerError};
use crate::key_store::KeyStoreError;
use crate::nsm::NsmFault;
use crate::platform::PlatformError;
use crate::tls::TlsError;

/// The reason why the service does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The platform check failed.
    #[error(transparent)]
    Platform(#[from] PlatformError),
    /// A known-answer test failed.
    #[error(transparent)]
    KnownAnswer(#[from] KnownAnswerError),
    /// The NSM thread or the crypto pool cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] io::Error),
    /// The NSM returned a fault.
    #[error("{0}; the service does not start")]
    Nsm(#[from] NsmFault),
    /// The entropy source cannot be instantiated.
    #[error("{0}; the service does not start")]
    Entropy(#[from] EntropyFault),
    /// The receipt key cannot be generated.
    #[error("cannot generate the receipt key: {0}")]
    ReceiptKey(#[from] CryptoError),
    /// TLS cannot be started.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A custom key store cannot be started.
    #[error(transparent)]
    KeyStore(#[from] KeyStoreError),
}
