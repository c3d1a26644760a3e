//! Why a key store gives no random bytes.

use std::time::Duration;

use kms_api::ConnectionState;
use thiserror::Error;

#[cfg(feature = "pkcs11")]
use super::hsm::HsmFault;

/// Why a key store gives no random bytes. The service's own are no substitute: the request fails.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum KeyStoreFault {
    /// An external key store keeps keys, and gives no random bytes.
    #[error("an external key store gives no random bytes")]
    Unsupported,
    /// It is not connected.
    #[error("its ConnectionState is {}", .0.name())]
    NotConnected(ConnectionState),
    /// A caller waited as long as it may.
    #[error("the HSM gave no random bytes within {deadline:?}")]
    Deadline {
        /// How long that is.
        deadline: Duration,
    },
    /// More callers wait than there is room for.
    #[error("too many wait for the HSM")]
    Full,
    /// The HSM failed.
    #[cfg(feature = "pkcs11")]
    #[error(transparent)]
    Hsm(#[from] HsmFault),
}

impl KeyStoreFault {
    /// Whether it is the time that ran out, and nothing else that is known.
    pub(crate) fn is_timeout(&self) -> bool {
        matches!(self, Self::Deadline { .. } | Self::Full)
    }

    /// Whether it is a fault of the HSM's, and not of who asks.
    pub(crate) fn is_ours(&self) -> bool {
        !matches!(self, Self::Unsupported | Self::NotConnected(_))
    }
}
