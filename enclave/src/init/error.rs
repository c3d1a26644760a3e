//! The errors of the first process of an enclave.

use std::io;

use thiserror::Error;

/// File with the command line of the first process, one argument per line. The init of nitro-cli reads the
/// same file. The file is part of the image, so the measurements of the enclave cover the arguments.
/// Arguments on the kernel's command line need not be measured.
pub(super) const COMMAND: &str = "/cmd";

/// The reason why an enclave does not start.
#[derive(Debug, Error)]
pub enum InitError {
    /// The kernel rejected an operation.
    #[error("{what}: {error}")]
    Kernel {
        /// Operation that failed.
        what: String,
        /// Error of the kernel.
        error: io::Error,
    },
    /// The command line is missing or invalid.
    #[error("{COMMAND}: {0}")]
    Command(String),
    /// The parent CID is not a number.
    #[error("parent_cid={0} on the kernel's command line is not a CID: use a number, such as 3")]
    ParentCid(String),
    /// The parent instance did not respond to the heartbeat.
    #[error(
        "the heartbeat with the parent instance (CID {cid}, port {port}) failed: {reason}; the \
         launcher of this image must listen on this port, as nitro-cli run-enclave does"
    )]
    Heartbeat {
        /// CID of the parent instance.
        cid: u32,
        /// Vsock port on the parent instance.
        port: u32,
        /// Cause of the failure.
        reason: String,
    },
}

/// Returns a function that converts an error of the kernel. `what` describes the failed operation.
pub(super) fn kernel_error<E: Into<io::Error>>(
    what: impl FnOnce() -> String,
) -> impl FnOnce(E) -> InitError {
    |error| InitError::Kernel { what: what(), error: error.into() }
}
