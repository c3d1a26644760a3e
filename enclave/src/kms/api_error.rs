//! The only mapping from causes of errors to the KMS errors that callers receive.

use std::fmt;

use attestation::{MalformedDocument, RecipientKeyError, UntrustedDocument};
use kms_api::{ErrorType, InvalidRequest, KmsError, Operation};
use thiserror::Error;

use super::response::ResponseError;
use super::unknown_operation::UnknownOperation;

use crate::auth::AuthenticationError;
use crate::clock::ClockFault;
use crate::crypto_pool::CryptoPoolError;
use crate::entropy::EntropyFault;
use crate::http::{HttpError, Response};
use crate::iam;
use crate::key_store::KeyStoreFault;
use crate::platform::RouteError;
use crate::policy::{AuthContext, DenialReason};
use crate::receipts::{InvalidNonce, ReceiptError};

/// The cause of an error response. The text of the cause is for the log.
#[derive(Debug, Error)]
pub(crate) enum ApiError {
    #[error(transparent)]
    Authentication(#[from] AuthenticationError),
    #[error("{caller} exceeds its request rate")]
    Throttled { caller: String },
    #[error("{caller} is denied {action}: {denied}")]
    Denied { caller: String, action: &'static str, denied: DenialReason },
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    UnknownOperation(#[from] UnknownOperation),
    #[error("unknown method or path")]
    UnknownRoute,
    #[error(transparent)]
    Route(#[from] RouteError),
    #[error("Content-Type is not application/x-amz-json-1.1")]
    ContentType,
    #[error(transparent)]
    Nonce(#[from] InvalidNonce),
    #[error(transparent)]
    Request(#[from] InvalidRequest),
    #[error(transparent)]
    Malformed(#[from] MalformedDocument),
    #[error(transparent)]
    Untrusted(#[from] UntrustedDocument),
    #[error(transparent)]
    RecipientKey(#[from] RecipientKeyError),
    #[error("custom key store {name:?} does not exist")]
    CustomKeyStoreNotFound { name: String },
    #[error("custom key store {id:?}: {fault}")]
    CustomKeyStore { id: String, fault: KeyStoreFault },
    #[error("invalid marker")]
    InvalidMarker,
    #[error(transparent)]
    CryptoPool(#[from] CryptoPoolError),
    #[error(transparent)]
    Clock(#[from] ClockFault),
    #[error(transparent)]
    Entropy(#[from] EntropyFault),
    #[error(transparent)]
    BuildResponse(#[from] ResponseError),
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    #[error("cannot serialize the response: {0}")]
    Serialization(#[from] serde_json::Error),
    #[error("cannot encode the metrics: {0}")]
    Metrics(#[from] fmt::Error),
    #[error("request handler panicked")]
    Panicked,
}

impl ApiError {
    /// Creates the error for a caller that is not authorized for `operation`.
    pub(super) fn denied(
        context: &AuthContext<'_>,
        operation: Operation,
        denied: DenialReason,
    ) -> Self {
        let action = iam::action_name(operation);
        Self::Denied { caller: context.caller.to_string(), action, denied }
    }

    /// Returns the error that the caller receives. The error for an invalid request names the violated rule, so
    /// that the caller can correct the request. The error for a fault of the service contains no details.
    pub(crate) fn to_kms_error(&self) -> KmsError {
        match self {
            Self::Authentication(error) => authentication(error),
            Self::Throttled { .. } => KmsError::new(
                ErrorType::Throttling,
                "You have exceeded the rate at which you may call KMS. Reduce the frequency of \
                 your calls.",
            ),
            Self::CryptoPool(CryptoPoolError::Full) => KmsError::new(
                ErrorType::Throttling,
                "The rate of requests with a Recipient exceeds what this service can verify. Reduce \
                 the frequency of your calls.",
            ),
            Self::Denied { caller, action, denied } => access_denied(caller, action, denied),
            Self::Http(error) => http(*error),
            Self::UnknownOperation(error) => {
                KmsError::new(ErrorType::UnknownOperation, error.to_string())
            }
            Self::UnknownRoute => KmsError::without_message(ErrorType::UnknownOperation),
            Self::Route(error) => route(error),
            Self::ContentType => KmsError::new(
                ErrorType::Validation,
                "Content-Type must be application/x-amz-json-1.1",
            ),
            Self::Nonce(error) => KmsError::new(ErrorType::Validation, error.to_string()),
            Self::Request(error) => request(error),
            Self::Malformed(error) => attestation_document(error),
            Self::Untrusted(error) => attestation_document(error),
            Self::RecipientKey(error) => attestation_document(error),
            Self::CustomKeyStoreNotFound { name } => KmsError::new(
                ErrorType::CustomKeyStoreNotFound,
                format!("The custom key store {name} does not exist."),
            ),
            Self::CustomKeyStore { id, fault } => custom_key_store(id, fault),
            Self::InvalidMarker => KmsError::new(
                ErrorType::InvalidMarker,
                "The marker was not returned by an earlier call of this operation.",
            ),
            Self::Entropy(fault) if fault.is_dependency_timeout() => KmsError::new(
                ErrorType::DependencyTimeout,
                "The entropy source did not respond in time. Try again.",
            ),
            Self::CryptoPool(CryptoPoolError::Unfinished)
            | Self::Clock(_)
            | Self::Entropy(_)
            | Self::BuildResponse(_)
            | Self::Receipt(_)
            | Self::Serialization(_)
            | Self::Panicked => KmsError::internal(),
            Self::Metrics(_) => KmsError::without_message(ErrorType::KmsInternal),
        }
    }

    /// Returns the response that the caller receives.
    pub(crate) fn to_response(&self) -> Response {
        Response::error(&self.to_kms_error())
    }

    /// Returns whether the cause is a fault of the service. Otherwise, the cause is the request.
    pub(super) fn is_internal(&self) -> bool {
        match self {
            Self::CryptoPool(CryptoPoolError::Unfinished)
            | Self::Clock(_)
            | Self::Entropy(_)
            | Self::Route(RouteError::Failed)
            | Self::BuildResponse(_)
            | Self::Receipt(_)
            | Self::Serialization(_)
            | Self::Metrics(_)
            | Self::Panicked => true,
            Self::CustomKeyStore { fault, .. } => fault.is_service_fault(),
            _ => false,
        }
    }
}

fn http(error: HttpError) -> KmsError {
    let error_type = match error {
        HttpError::BodyTooLong => ErrorType::RequestEntityTooLarge,
        HttpError::TransferEncoding | HttpError::Host | HttpError::HostOfTarget => {
            ErrorType::Validation
        }
    };
    KmsError::new(error_type, error.to_string())
}

fn route(error: &RouteError) -> KmsError {
    match error {
        RouteError::Invalid(reason) => KmsError::new(ErrorType::Validation, reason.clone()),
        RouteError::Failed => KmsError::without_message(ErrorType::KmsInternal),
    }
}

fn request(error: &InvalidRequest) -> KmsError {
    let error_type = match error {
        InvalidRequest::Serialization(_) => ErrorType::Serialization,
        _ => ErrorType::Validation,
    };
    KmsError::new(error_type, error.to_string())
}

fn authentication(error: &AuthenticationError) -> KmsError {
    let error_type = match error {
        AuthenticationError::MissingAuthenticationToken => ErrorType::MissingAuthenticationToken,
        AuthenticationError::IncompleteSignature(_) => ErrorType::IncompleteSignature,
        AuthenticationError::InvalidSignature(_) => ErrorType::InvalidSignature,
        AuthenticationError::UnknownAccessKey | AuthenticationError::SessionTokenMismatch => {
            ErrorType::UnrecognizedClient
        }
        AuthenticationError::ExpiredToken => ErrorType::ExpiredToken,
    };
    KmsError::new(error_type, error.to_string())
}

/// Returns the error for a fault of a custom key store. Only the log contains details of HSM faults, for the
/// operator.
fn custom_key_store(id: &str, fault: &KeyStoreFault) -> KmsError {
    match fault {
        KeyStoreFault::Unsupported => KmsError::new(
            ErrorType::UnsupportedOperation,
            format!(
                "The custom key store {id} is an external key store, which does not support GenerateRandom."
            ),
        ),
        KeyStoreFault::NotConnected(state) => KmsError::new(
            ErrorType::CustomKeyStoreInvalidState,
            format!(
                "The custom key store {id} is not connected: its ConnectionState is {}.",
                state.name()
            ),
        ),
        fault if fault.is_dependency_timeout() => KmsError::new(
            ErrorType::DependencyTimeout,
            "The custom key store did not respond in time. Try again.",
        ),
        _ => KmsError::internal(),
    }
}

/// Returns the AccessDeniedException. If KMS has the same reason, the text is the text of KMS.
fn access_denied(caller: &str, action: &str, denied: &DenialReason) -> KmsError {
    let reason = match denied {
        DenialReason::ExplicitDeny { .. } => {
            "with an explicit deny in an identity-based policy".to_owned()
        }
        DenialReason::ImplicitDeny => {
            format!("because no identity-based policy allows the {action} action")
        }
        DenialReason::RecipientRequired
        | DenialReason::PlaintextOutsideAttestedTls
        | DenialReason::MeasurementsNotListed => {
            format!("because {denied}")
        }
    };
    let message =
        format!("User: {caller} is not authorized to perform: {action} on resource: * {reason}");
    KmsError::new(ErrorType::AccessDenied, message)
}

fn attestation_document(error: &dyn std::error::Error) -> KmsError {
    KmsError::new(ErrorType::Validation, format!("Recipient.AttestationDocument: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{IncompleteSignature, InvalidSignature};

    #[test]
    fn authentication_errors_have_types_and_messages_of_kms() {
        for (error, error_type, text) in [
            (
                AuthenticationError::MissingAuthenticationToken,
                ErrorType::MissingAuthenticationToken,
                "Missing Authentication Token",
            ),
            (
                AuthenticationError::UnknownAccessKey,
                ErrorType::UnrecognizedClient,
                "The security token included in the request is invalid.",
            ),
            (
                AuthenticationError::SessionTokenMismatch,
                ErrorType::UnrecognizedClient,
                "The security token included in the request is invalid.",
            ),
            (
                AuthenticationError::ExpiredToken,
                ErrorType::ExpiredToken,
                "The security token included in the request is expired",
            ),
            (
                IncompleteSignature::MultipleAuthorizationHeaders.into(),
                ErrorType::IncompleteSignature,
                "Exactly one Authorization header is needed.",
            ),
            (
                InvalidSignature::ScopeRegion.into(),
                ErrorType::InvalidSignature,
                "Credential should be scoped to a valid region. ",
            ),
        ] {
            let error = ApiError::Authentication(error).to_kms_error();
            assert_eq!((error.error_type, error.message.as_deref()), (error_type, Some(text)));
        }
    }
}
