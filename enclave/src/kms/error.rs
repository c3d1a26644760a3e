//! The one table from an error to what a stranger is told of it.

use attestation::{MalformedDocument, RecipientKeyError, UntrustedDocument};
use kms_api::{ErrorType, KmsError, Operation, RequestError};
use thiserror::Error;
use tracing::field;

use crate::auth::AuthenticationError;
use crate::clock::ClockFault;
use crate::crypto_pool::NotWorked;
use crate::entropy::EntropyFault;
use crate::iam;
use crate::key_store::KeyStoreFault;
use crate::policy::{Asker, DeliveryError, Denied};
use crate::request::Received;

/// Why a request gets no bytes.
#[derive(Debug, Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Authentication(#[from] AuthenticationError),
    #[error("{caller} calls too often")]
    Throttled { caller: String },
    #[error("{caller} is denied {action}: {denied}")]
    Denied { caller: String, action: &'static str, denied: Denied },
    #[error("no operation of this service")]
    UnknownOperation,
    #[error("another content type than application/x-amz-json-1.1")]
    ContentType,
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error(transparent)]
    Malformed(#[from] MalformedDocument),
    #[error(transparent)]
    Untrusted(#[from] UntrustedDocument),
    #[error(transparent)]
    RecipientKey(#[from] RecipientKeyError),
    #[error("no custom key store {name:?}")]
    CustomKeyStoreNotFound { name: String },
    #[error("custom key store {id:?}: {fault}")]
    CustomKeyStore { id: String, fault: KeyStoreFault },
    #[error("a marker that was not given out")]
    InvalidMarker,
    #[error(transparent)]
    NotWorked(#[from] NotWorked),
    #[error(transparent)]
    Clock(#[from] ClockFault),
    #[error(transparent)]
    Entropy(#[from] EntropyFault),
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    #[error("the answer cannot be written: {0}")]
    Answer(#[from] serde_json::Error),
}

impl Refusal {
    /// `asker` may not do it.
    pub(super) fn denied(asker: &Asker<'_>, operation: Operation, denied: Denied) -> Self {
        let action = iam::action_name(operation);
        Self::Denied { caller: asker.caller.to_string(), action, denied }
    }

    /// What the caller is told. Rules are named, so that they can be kept; faults of ours are not
    /// explained.
    pub(crate) fn to_kms(&self) -> KmsError {
        match self {
            Self::Authentication(error) => KmsError::new(error.error_type(), error.to_string()),
            Self::Throttled { .. } => KmsError::new(
                ErrorType::Throttling,
                "You have exceeded the rate at which you may call KMS. Reduce the frequency of \
                 your calls.",
            ),
            Self::NotWorked(NotWorked::Full) => KmsError::new(
                ErrorType::Throttling,
                "The rate of requests with a Recipient exceeds what this service can verify. Reduce \
                 the frequency of your calls.",
            ),
            Self::Denied { caller, action, denied } => access_denied(caller, action, denied),
            Self::UnknownOperation => KmsError::bare(ErrorType::UnknownOperation),
            Self::ContentType => KmsError::new(
                ErrorType::Validation,
                "Content-Type must be application/x-amz-json-1.1",
            ),
            Self::Request(error @ RequestError::Serialization(_)) => {
                KmsError::new(ErrorType::Serialization, error.to_string())
            }
            Self::Request(error) => KmsError::new(ErrorType::Validation, error.to_string()),
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
            Self::Entropy(fault) if fault.is_timeout() => KmsError::new(
                ErrorType::DependencyTimeout,
                "The source of entropy did not answer in time. Try again.",
            ),
            Self::NotWorked(NotWorked::Unfinished)
            | Self::Clock(_)
            | Self::Entropy(_)
            | Self::Delivery(_)
            | Self::Answer(_) => internal(),
        }
    }

    /// Logs the refusal: as an error if the fault is ours. A refusal may repeat what the caller sent,
    /// so it is logged escaped: no request can write a line of its own. `omitted` lines of the same
    /// type were left out before.
    pub(super) fn log(&self, request: &Received<'_>, access_key_id: Option<String>, omitted: u64) {
        let Received { id: request_id, source, .. } = request;
        let (reason, client_addr) = (self.to_string(), source.map(field::display));
        let access_key_id = access_key_id.map(field::debug);
        let omitted = (omitted > 0).then_some(omitted);
        if self.is_ours() {
            tracing::error!(%request_id, client_addr, omitted, ?reason, "failed");
        } else {
            tracing::info!(%request_id, client_addr, access_key_id, omitted, ?reason, "refused");
        }
    }

    fn is_ours(&self) -> bool {
        match self {
            Self::NotWorked(NotWorked::Unfinished)
            | Self::Clock(_)
            | Self::Entropy(_)
            | Self::Delivery(_)
            | Self::Answer(_) => true,
            Self::CustomKeyStore { fault, .. } => fault.is_ours(),
            _ => false,
        }
    }
}

/// A fault of ours, of which callers are told no more.
pub(crate) fn internal() -> KmsError {
    KmsError::new(
        ErrorType::KmsInternal,
        "An internal error prevented the request from being fulfilled. Try again.",
    )
}

/// What is wrong with an HSM is for who runs it.
fn custom_key_store(id: &str, fault: &KeyStoreFault) -> KmsError {
    match fault {
        KeyStoreFault::Unsupported => KmsError::new(
            ErrorType::UnsupportedOperation,
            format!(
                "The custom key store {id} is an external key store, which gives no random bytes."
            ),
        ),
        KeyStoreFault::NotConnected(state) => KmsError::new(
            ErrorType::CustomKeyStoreInvalidState,
            format!(
                "The custom key store {id} is not connected: its ConnectionState is {}.",
                state.name()
            ),
        ),
        fault if fault.is_timeout() => KmsError::new(
            ErrorType::DependencyTimeout,
            "The custom key store did not answer in time. Try again.",
        ),
        _ => internal(),
    }
}

/// In KMS's words, as far as it has any for the reason.
fn access_denied(caller: &str, action: &str, denied: &Denied) -> KmsError {
    let reason = match denied {
        Denied::Explicitly { .. } => "with an explicit deny in an identity-based policy".to_owned(),
        Denied::Implicitly => {
            format!("because no identity-based policy allows the {action} action")
        }
        Denied::NoRecipient | Denied::PlaintextOutsideAttestedTls | Denied::Measurements => {
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
