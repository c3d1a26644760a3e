//! The outcome of a KMS request.

use kms_api::ErrorType;

/// The outcome of a request, in the log, the metrics and the audit trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The caller received the result of the operation.
    Success,
    /// The caller received an error.
    Error(ErrorType),
    /// The client disconnected before the response was ready, so the task of the request was cancelled.
    ClientDisconnected,
}

impl Outcome {
    /// The name of [`ClientDisconnected`](Self::ClientDisconnected), in the style of the error codes in CloudTrail.
    pub(crate) const CLIENT_DISCONNECTED: &str = "ClientDisconnected";

    /// Returns the name: `success`, the name of the error, or `ClientDisconnected`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error(error) => error.name(),
            Self::ClientDisconnected => Self::CLIENT_DISCONNECTED,
        }
    }

    /// Returns the error code for the audit record, or `None` for a success.
    pub(crate) fn error_code(self) -> Option<&'static str> {
        (self != Self::Success).then(|| self.name())
    }
}
