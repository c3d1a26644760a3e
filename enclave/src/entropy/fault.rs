//! Why there are no random bytes.

use thiserror::Error;

use super::ctr_drbg::DrbgError;
use crate::nsm::NsmFault;

/// Why there are no random bytes. There is no second source, and no older state: the request fails.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum EntropyFault {
    /// The NSM gives no entropy.
    #[error(transparent)]
    Nsm(#[from] NsmFault),
    /// The DRBG refused.
    #[error(transparent)]
    Drbg(#[from] DrbgError),
    /// A DRBG whose last operation did not finish.
    #[error("all DRBG instances are unusable after panics: restart this service")]
    Interrupted,
    /// No randomness of the operating system, which is mixed in.
    #[error("the operating system returns no random bytes")]
    System,
}

impl EntropyFault {
    /// Whether it is the time that ran out, and nothing else that is known.
    pub(crate) fn is_timeout(&self) -> bool {
        matches!(self, Self::Nsm(fault) if fault.is_timeout())
    }

    /// Its name in metrics, one of [`causes`](Self::causes).
    pub(crate) fn cause(&self) -> &'static str {
        match self {
            Self::Nsm(fault) => fault.cause(),
            Self::Drbg(_) => "drbg",
            Self::Interrupted => "interrupted",
            Self::System => "system",
        }
    }

    /// All names, so that each is shown before it first happens.
    pub(crate) fn causes() -> impl Iterator<Item = &'static str> {
        let of_the_nsm = NsmFault::CAUSES.into_iter().chain(NsmFault::CALLER_CAUSES);
        of_the_nsm.chain(["drbg", "interrupted", "system"])
    }
}
