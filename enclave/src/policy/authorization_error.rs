//! The errors of authorization.

use attestation::RecipientKeyError;
use thiserror::Error;

/// The reason to deny a request.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DenialReason {
    /// The configuration requires a Recipient.
    #[error("this service requires a Recipient")]
    RecipientRequired,
    /// The request has no Recipient, and its connection does not use attested TLS.
    #[error(
        "the response to a request without a Recipient is plaintext, which the parent instance can read \
         unless the connection uses attested TLS; send a Recipient"
    )]
    PlaintextOutsideAttestedTls,
    /// The measurements in the document are not in the configured list.
    #[error("the measurements in the attestation document are not allowed by this service")]
    MeasurementsNotListed,
    /// A policy of the caller denies the action.
    #[error("an explicit deny in an identity-based policy: {statement}")]
    ExplicitDeny {
        /// The statement that denies the action. Only the log contains the statement. The caller does not receive it.
        statement: String,
    },
    /// No policy of the caller allows the action.
    #[error("no identity-based policy allows the action")]
    ImplicitDeny,
}

/// The error for a request that is not authorized.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AuthorizationError {
    /// The rules for Recipients or the policies of the caller do not allow the request.
    #[error(transparent)]
    Denied(#[from] DenialReason),
    /// The response cannot be sealed to the key in the document.
    #[error(transparent)]
    RecipientKey(#[from] RecipientKeyError),
}
