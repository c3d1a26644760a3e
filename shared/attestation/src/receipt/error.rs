//! The reasons why a receipt is rejected.

use thiserror::Error;

use super::content::ContentError;
use super::payload::{MAX_RECEIPT_HEADER_LENGTH, ReceiptPayloadError};
use super::step::ReceiptStep;
use crate::identity::InvalidIdentity;
use crate::malformed_document::MalformedDocument;
use crate::measurements::MeasurementMismatch;
use crate::signed_statement::{KeyId, StatementError, StatementSignatureError};
use crate::time::UnixMillis;
use crate::untrusted_document::UntrustedDocument;
use crate::verification_rule::Rule;

/// The reason why a response, a receipt or an enclave's document is rejected.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ReceiptError {
    /// The status is below 400, but not 200. SDKs take such a response for success.
    #[error("the status {status} is not that of an answer: only a 200 with a receipt is one")]
    Status {
        /// The status.
        status: u16,
    },
    /// A response with status 200 has no receipt.
    #[error(
        "the response has no receipt: it may come from the relay, or [receipts] mode is \"off\" in \
         the enclave's configuration"
    )]
    NoReceipt,
    /// A response has more than one receipt.
    #[error("the response has {count} receipts, not one")]
    SeveralReceipts {
        /// The number of receipts.
        count: usize,
    },
    /// The body has a Content-Encoding.
    #[error("the response has a Content-Encoding, which an enclave never sends")]
    ContentEncoding,
    /// The receipt header is too long.
    #[error("the receipt has {length} characters, over the maximum of {MAX_RECEIPT_HEADER_LENGTH}")]
    TooLong {
        /// Length of the header, in bytes.
        length: usize,
    },
    /// The receipt is not canonical base64.
    #[error("the receipt is not base64 in its canonical form (standard alphabet, padded)")]
    Base64,
    /// The receipt is not a signed statement.
    #[error("the receipt is not a COSE_Sign1 of a receipt: {0}")]
    Statement(#[from] StatementError),
    /// The payload is not that of a receipt.
    #[error("the receipt has another payload: {0}")]
    Payload(#[from] ReceiptPayloadError),
    /// The receipt was signed with another key.
    #[error(
        "the receipt is of the key {found}, not of {expected}, the receipt key of the enclave's \
         document: another enclave signed it, or it is old"
    )]
    OtherKey {
        /// The key of the receipt.
        found: KeyId,
        /// The key of the document.
        expected: KeyId,
    },
    /// The receipt key is not a point on the curve.
    #[error("the receipt key in the enclave's document is not a point on the curve P-256")]
    NotOnCurve,
    /// The document is malformed.
    #[error("the enclave's document is malformed: {0}")]
    Malformed(#[from] MalformedDocument),
    /// The document does not verify.
    #[error("the enclave's document is rejected: {0}")]
    Untrusted(#[from] UntrustedDocument),
    /// The document is that of a NitroTPM.
    #[error("the document comes from an instance with a NitroTPM, not from an enclave")]
    NitroTpm,
    /// The document has no `user_data`.
    #[error("the enclave's document has no user_data, so it attests no receipt key")]
    NoUserData,
    /// The document has a `public_key`.
    #[error("the enclave's document has a public_key, so it is not the document of its identity")]
    PublicKeyPresent,
    /// `user_data` is not an identity.
    #[error("the enclave's document attests no receipt key: {0}")]
    Identity(#[from] InvalidIdentity),
    /// The registers match no set.
    #[error(transparent)]
    Measurements(#[from] MeasurementMismatch),
    /// The set ended before the time of use, or before the receipt.
    #[error("{set}: the set of measurements ended at {not_after}, before {at}")]
    SetEnded {
        /// The name of the set.
        set: String,
        /// The last time at which an enclave of the set is accepted.
        not_after: UnixMillis,
        /// The current time, or the time of the receipt.
        at: UnixMillis,
    },
    /// A document that was verified live is too old for a further use.
    #[error(
        "the enclave's document is of {document_time}, over an hour before {now}: fetch a new one"
    )]
    DocumentExpired {
        /// The timestamp of the document.
        document_time: UnixMillis,
        /// The current time.
        now: UnixMillis,
    },
    /// A stored document is too far from the receipt.
    #[error(
        "the enclave's document is of {document_time}, over 24 h from the receipt of {receipt_time}"
    )]
    DocumentTooFar {
        /// The timestamp of the document.
        document_time: UnixMillis,
        /// The time of the receipt.
        receipt_time: UnixMillis,
    },
    /// The signature is rejected.
    #[error("receipt: {0}")]
    Signature(#[from] StatementSignatureError),
    /// The receipt is of another request.
    #[error(
        "the receipt is of another request: req is not the SHA-256 of the request that was sent"
    )]
    OtherRequest,
    /// The receipt is of another response.
    #[error("the receipt is of another response: res is not the SHA-256 of the response body")]
    OtherResponse,
    /// The receipt has no nonce.
    #[error("the receipt has no nonce, so the response may be old")]
    EmptyNonce,
    /// The receipt has the nonce of another attempt.
    #[error(
        "the receipt has another nonce than this request: it is the receipt of an older request"
    )]
    OtherNonce,
    /// The receipt is of another operation.
    #[error("the receipt is of {found}, not of {expected}")]
    OtherOperation {
        /// The operation of the receipt.
        found: &'static str,
        /// The operation of the request.
        expected: &'static str,
    },
    /// The header `x-amzn-RequestId` is not that of the receipt.
    #[error("the receipt is of the request {found}, not of that in x-amzn-RequestId")]
    OtherRequestId {
        /// The request identifier in the receipt.
        found: String,
    },
    /// A body is not JSON.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// The source of the bytes is not allowed.
    #[error(
        "the bytes come from the custom key store {source_id}, which you did not allow: nothing \
         proves that they are random"
    )]
    Source {
        /// The ID of the custom key store.
        source_id: String,
    },
    /// A sealed response has no content key digest.
    #[error("the response is sealed, but the receipt has no cek")]
    NoContentKeyDigest,
    /// A plain response has a content key digest.
    #[error("the receipt has a cek, but the response is not sealed")]
    UnexpectedContentKeyDigest,
    /// The response to a request with a Recipient has a Plaintext.
    #[error("the request has a Recipient, but the response has a Plaintext, which others can read")]
    PlaintextForRecipient,
    /// The time of the receipt is too far from now.
    #[error(
        "the receipt is of {receipt_time}, over 5 min from {now}, the time of this client: check \
         its clock"
    )]
    Time {
        /// The time of the receipt.
        receipt_time: UnixMillis,
        /// The current time.
        now: UnixMillis,
    },
    /// Two receipts of a set have the same number.
    #[error("two receipts of the key {key_id} have the number {sequence}")]
    RepeatedSequence {
        /// The receipt key.
        key_id: KeyId,
        /// The number of the audit record.
        sequence: u64,
    },
}

impl ReceiptError {
    /// Returns the step that rejected the receipt.
    pub fn step(&self) -> ReceiptStep {
        match self {
            Self::Status { .. } | Self::NoReceipt | Self::SeveralReceipts { .. } => {
                ReceiptStep::Status
            }
            Self::ContentEncoding
            | Self::TooLong { .. }
            | Self::Base64
            | Self::Statement(_)
            | Self::Payload(_) => ReceiptStep::Form,
            Self::OtherKey { .. } | Self::NotOnCurve => ReceiptStep::Key,
            Self::Untrusted(error) if error.rule() == Rule::DocumentAge => ReceiptStep::Freshness,
            Self::Malformed(_)
            | Self::Untrusted(_)
            | Self::NitroTpm
            | Self::NoUserData
            | Self::PublicKeyPresent
            | Self::Identity(_) => ReceiptStep::Document,
            Self::Measurements(_) | Self::SetEnded { .. } => ReceiptStep::Measurements,
            Self::DocumentExpired { .. } | Self::DocumentTooFar { .. } => ReceiptStep::Freshness,
            Self::Signature(_) => ReceiptStep::Signature,
            Self::OtherRequest
            | Self::OtherResponse
            | Self::EmptyNonce
            | Self::OtherNonce
            | Self::OtherOperation { .. }
            | Self::OtherRequestId { .. }
            | Self::RepeatedSequence { .. } => ReceiptStep::Binding,
            Self::Content(_)
            | Self::Source { .. }
            | Self::NoContentKeyDigest
            | Self::UnexpectedContentKeyDigest
            | Self::PlaintextForRecipient => ReceiptStep::Content,
            Self::Time { .. } => ReceiptStep::Time,
        }
    }
}
