//! The errors of the first process.

use std::io;

use thiserror::Error;

/// The command line of the first process, an argument a line, as nitro-cli's own init reads it: part of
/// the image, and so measured, which what the kernel passes need not be.
pub(super) const COMMAND: &str = "/cmd";

/// The error of an enclave that does not come up.
#[derive(Debug, Error)]
pub enum InitError {
    /// What an enclave's kernel must give is not there.
    #[error("{what}: {error}")]
    Kernel {
        /// What was tried.
        what: String,
        /// Why it failed.
        error: io::Error,
    },
    /// No command line, or not this program's.
    #[error("{COMMAND}: {0}")]
    Command(String),
    /// A number that is none.
    #[error("parent_cid={0} on the kernel's command line is no CID: write a number, such as 3")]
    ParentCid(String),
    /// Nobody on the parent instance waits for this enclave.
    #[error(
        "no heartbeat with the parent, CID {cid} port {port}: {reason}; nitro-cli run-enclave \
         listens there, and so must whatever else starts this image"
    )]
    Heartbeat {
        /// Whom.
        cid: u32,
        /// Where.
        port: u32,
        /// Why.
        reason: String,
    },
}

/// Returns a function that makes the error of `what`, which the kernel refused.
pub(super) fn failed<E: Into<io::Error>>(
    what: impl FnOnce() -> String,
) -> impl FnOnce(E) -> InitError {
    |error| InitError::Kernel { what: what(), error: error.into() }
}
