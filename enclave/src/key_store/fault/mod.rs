//! The reasons why a key store returns no random bytes.

#[cfg(feature = "pkcs11")]
mod hsm;
#[cfg(feature = "pkcs11")]
mod return_code;

use std::time::Duration;

use attestation::time::HumanTimeout;
use kms_api::ConnectionState;
use thiserror::Error;

#[cfg(feature = "pkcs11")]
pub(super) use self::hsm::{FoundToken, HsmFault};

/// The reason why a key store returns no random bytes.
///
/// The service never falls back to its own random bytes: the request fails.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum KeyStoreFault {
    /// An external key store holds keys and returns no random bytes.
    #[error("an external key store returns no random bytes")]
    Unsupported,
    /// The key store is not connected.
    #[error("the ConnectionState of the key store is {}", .0.name())]
    NotConnected(ConnectionState),
    /// The request waited until its deadline.
    #[error("the HSM returned no random bytes within {}", HumanTimeout(*deadline))]
    TimedOut {
        /// Longest time that a request waits.
        deadline: Duration,
    },
    /// The queue of waiting requests is full.
    #[error("too many requests wait for the HSM")]
    QueueFull,
    /// The HSM failed.
    #[cfg(feature = "pkcs11")]
    #[error(transparent)]
    Hsm(#[from] HsmFault),
}

impl KeyStoreFault {
    /// Returns true if a deadline or a full queue caused the fault. The HSM itself may still work.
    pub(crate) fn is_dependency_timeout(&self) -> bool {
        matches!(self, Self::TimedOut { .. } | Self::QueueFull)
    }

    /// Returns true if the HSM or the service is at fault, and not the request.
    pub(crate) fn is_service_fault(&self) -> bool {
        !matches!(self, Self::Unsupported | Self::NotConnected(_))
    }
}
