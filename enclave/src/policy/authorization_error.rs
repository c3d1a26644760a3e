//! The errors of authorization.

use attestation::RecipientKeyError;
use thiserror::Error;

/// The reason to deny a request.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DenialReason {
    /// The configuration requires a Recipient.
    #[error("this service answers no request without a Recipient")]
    RecipientRequired,
    /// The request has no Recipient, and its connection does not use attested TLS.
    #[error(
        "a request without a Recipient is answered in the clear, which the parent instance could read, \
         for it did not come over TLS that the enclave attests; send a Recipient"
    )]
    PlaintextOutsideAttestedTls,
    /// The measurements in the document are not in the configured list.
    #[error("the attestation document's measurements are not among those that this service admits")]
    MeasurementsNotListed,
    /// A policy of the caller denies the action.
    #[error("an explicit deny in an identity-based policy: {statement}")]
    ExplicitDeny {
        /// The statement that denies the action. It is only logged, and not returned to the caller.
        statement: String,
    },
    /// No policy of the caller allows the action.
    #[error("no identity-based policy allows the action")]
    ImplicitDeny,
}

/// The error of a request that is not authorized.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AuthorizationError {
    /// A policy denies the request.
    #[error(transparent)]
    Denied(#[from] DenialReason),
    /// The response cannot be sealed to the key in the document.
    #[error(transparent)]
    RecipientKey(#[from] RecipientKeyError),
}
