//! The errors of the first process.

use std::io;

use thiserror::Error;

/// The file with the command line of the first process, one argument per line, as nitro-cli's own init
/// reads it. It is part of the image and so measured. The arguments that the kernel passes need not be.
pub(super) const COMMAND: &str = "/cmd";

/// The error of an enclave that does not come up.
#[derive(Debug, Error)]
pub enum InitError {
    /// An operation that the kernel refused.
    #[error("{what}: {error}")]
    Kernel {
        /// The operation that failed.
        what: String,
        /// The cause.
        error: io::Error,
    },
    /// A command line that is missing or is not this program's.
    #[error("{COMMAND}: {0}")]
    Command(String),
    /// A parent CID that is not a number.
    #[error("parent_cid={0} on the kernel's command line is not a CID: use a number, such as 3")]
    ParentCid(String),
    /// No answer to the heartbeat from the parent instance.
    #[error(
        "the heartbeat with the parent instance (CID {cid}, port {port}) failed: {reason}; nitro-cli \
         run-enclave listens there, and any other launcher of this image must as well"
    )]
    Heartbeat {
        /// The CID of the parent.
        cid: u32,
        /// The vsock port on the parent.
        port: u32,
        /// The cause.
        reason: String,
    },
}

/// Returns a function that makes the error of `what`, which the kernel refused.
pub(super) fn kernel_error<E: Into<io::Error>>(
    what: impl FnOnce() -> String,
) -> impl FnOnce(E) -> InitError {
    |error| InitError::Kernel { what: what(), error: error.into() }
}
