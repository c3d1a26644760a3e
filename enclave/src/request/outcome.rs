//! The outcome of a KMS request.

use kms_api::ErrorType;

/// The outcome of a request, in the log, the metrics and the audit trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The caller received the result of the operation.
    Success,
    /// The caller received an error.
    Error(ErrorType),
    /// The request's task was cancelled before there was a response, because the client disconnected.
    ClientDisconnected,
}

impl Outcome {
    /// The name of [`ClientDisconnected`](Self::ClientDisconnected), in the style of CloudTrail's error codes.
    pub(crate) const CLIENT_DISCONNECTED: &str = "ClientDisconnected";

    /// Returns `success`, or the name of the error.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error(error) => error.name(),
            Self::ClientDisconnected => Self::CLIENT_DISCONNECTED,
        }
    }

    /// Returns the error code of the audit record; `None` for a success.
    pub(crate) fn error_code(self) -> Option<&'static str> {
        (self != Self::Success).then(|| self.name())
    }
}
