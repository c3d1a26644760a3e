//! The error for a request that names no operation of this service.

use kms_api::Operation;
use thiserror::Error;

/// The reason why a request names no operation of this service. Its text is for the caller.
#[derive(Debug, Error)]
pub(crate) enum UnknownOperation {
    /// `X-Amz-Target` is missing, empty, or occurs more than once.
    #[error("X-Amz-Target must name one operation: this service implements {}", served())]
    NoTarget,
    /// The service does not implement the operation.
    #[error("operation {target} is not supported: this service implements {}", served())]
    NotServed {
        /// The target, truncated, and escaped to printable ASCII.
        target: String,
    },
}

/// Returns the names of all operations.
fn served() -> String {
    Operation::ALL.map(Operation::name).join(" and ")
}
