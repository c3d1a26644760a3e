//! The outcome of a request to KMS.

use kms_api::ErrorType;

/// The outcome of a request, as log, metrics and audit trail name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The request got the answer that it asked for.
    Success,
    /// The request was answered with an error.
    Error(ErrorType),
    /// The request's task ended before there was an answer.
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

    /// Returns the error code of the audit record, if the outcome is an error.
    pub(crate) fn error_code(self) -> Option<&'static str> {
        (self != Self::Success).then(|| self.name())
    }
}
