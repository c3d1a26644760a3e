//! Why a request is not admitted.

use attestation::RecipientKeyError;
use thiserror::Error;

/// Why a caller may not do what it asks for.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DenialReason {
    /// The configuration requires a Recipient.
    #[error("this service answers no request without a Recipient")]
    RecipientRequired,
    /// An answer in the clear would be readable by the parent instance.
    #[error(
        "a request without a Recipient is answered in the clear, which the parent instance could read, \
         for it did not come over TLS that the enclave attests; send a Recipient"
    )]
    PlaintextOutsideAttestedTls,
    /// The document's measurements are not in the configured list.
    #[error("the attestation document's measurements are not among those that this service admits")]
    MeasurementsNotListed,
    /// A policy forbids it.
    #[error("an explicit deny in an identity-based policy: {statement}")]
    ExplicitDeny {
        /// Which, for the service's own log: callers are not told.
        statement: String,
    },
    /// No policy allows it.
    #[error("no identity-based policy allows the action")]
    ImplicitDeny,
}

/// Why a request is not admitted.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AuthorizationError {
    /// Its caller may not.
    #[error(transparent)]
    Denied(#[from] DenialReason),
    /// Nothing can be sealed to its key.
    #[error(transparent)]
    RecipientKey(#[from] RecipientKeyError),
}
