//! The faults of the entropy source.

use thiserror::Error;

use super::ctr_drbg::DrbgError;
use crate::nsm::NsmFault;

/// The reason why a draw returns no random bytes.
///
/// There is no second entropy source, and the service does not fall back to DRBG state that needs a reseed.
/// So the request fails.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum EntropyFault {
    /// The NSM returns no block.
    #[error(transparent)]
    Nsm(#[from] NsmFault),
    /// The DRBG rejected the operation.
    #[error(transparent)]
    Drbg(#[from] DrbgError),
    /// Panics have left all DRBG instances inconsistent.
    #[error("all DRBG instances are unusable after panics: restart this service")]
    Interrupted,
    /// The operating system returns no random bytes to mix in.
    #[error("the operating system returns no random bytes")]
    System,
}

impl EntropyFault {
    /// Returns whether a time limit, a full queue or a pause of this process caused the fault. The NSM itself
    /// may still work.
    pub(crate) fn is_dependency_timeout(&self) -> bool {
        matches!(self, Self::Nsm(fault) if fault.is_dependency_timeout())
    }

    /// Returns the value of the label `cause` in metrics: one of [`causes`](Self::causes).
    pub(crate) fn cause(&self) -> &'static str {
        match self {
            Self::Nsm(fault) => fault.cause(),
            Self::Drbg(_) => "drbg",
            Self::Interrupted => "interrupted",
            Self::System => "system",
        }
    }

    /// Returns all causes, so that the metrics contain each cause from the start.
    pub(crate) fn causes() -> impl Iterator<Item = &'static str> {
        let nsm_causes = NsmFault::CAUSES.into_iter().chain(NsmFault::CALLER_CAUSES);
        nsm_causes.chain(["drbg", "interrupted", "system"])
    }
}
