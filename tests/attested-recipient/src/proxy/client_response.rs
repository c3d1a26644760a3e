//! Responses to clients.

use std::time::{Duration, UNIX_EPOCH};

use attestation::receipt::RECEIPT_HEADER;
use attestation::time::UnixMillis;
use enclave::request::RequestId;
use hyper::StatusCode;
use kms_api::{CONTENT_TYPE, ErrorType, KmsError};
use zeroize::Zeroizing;

use super::forward::ForwardError;
use crate::http1::{Fields, FramingError};
use crate::verified_connection::{ConnectionError, InvalidRequest, Proof, Response};

/// 9999-12-31T23:59:59Z in Unix seconds, the last time that a Date field can express.
const LAST_DATE_SECS: u64 = 253_402_300_799;

/// A response to a client, which is not encoded yet.
#[derive(Debug)]
pub(super) struct ClientResponse {
    status: u16,
    fields: Fields,
    body: Zeroizing<Vec<u8>>,
}

impl ClientResponse {
    /// Returns the response of the upstream. Only status, Content-Type, `x-amzn-*` and the receipt pass.
    pub(super) fn from_upstream(response: Response) -> Self {
        let mut fields = Fields::default();
        for (name, value) in response.fields().iter() {
            let is_receipt = name.eq_ignore_ascii_case(RECEIPT_HEADER);
            let passes = name.eq_ignore_ascii_case("content-type")
                || name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("x-amzn-"))
                || (is_receipt && response.proof() != Proof::None);
            if passes {
                fields.push(name, value);
            }
        }
        Self { status: response.status(), fields, body: response.into_body() }
    }

    /// Returns the response for a request that has no authentic response.
    pub(super) fn from_error(error: &ForwardError) -> Self {
        let (status, error_type) = match error {
            // SDKs do not repeat a 400. Another attempt would not help here.
            ForwardError::Request(ConnectionError::Request(InvalidRequest::NotCovered)) => {
                (400, ErrorType::UnsupportedOperation)
            }
            ForwardError::Request(_) => (400, ErrorType::Validation),
            ForwardError::Failed { .. } | ForwardError::TimedOut => (502, ErrorType::KmsInternal),
        };
        Self::error(status, error_type, error.to_string())
    }

    /// Returns the response for a request that breaks a rule of HTTP.
    pub(super) fn from_framing(error: FramingError) -> Self {
        let error_type = match error {
            FramingError::BodyTooLong { .. } => ErrorType::RequestEntityTooLarge,
            FramingError::Target { .. } => ErrorType::UnknownOperation,
            _ => ErrorType::Validation,
        };
        Self::error(error_type.status(), error_type, error.to_string())
    }

    fn error(status: u16, error_type: ErrorType, message: String) -> Self {
        let mut fields = Fields::default();
        fields.push("Content-Type", CONTENT_TYPE.as_bytes());
        fields.push("x-amzn-RequestId", RequestId::random().to_string().as_bytes());
        let body = Zeroizing::new(KmsError::new(error_type, message).to_json());
        Self { status, fields, body }
    }

    /// Returns the bytes of the response. `Date` is the proxy's own, because SDKs correct their clock by it.
    pub(super) fn encode(&self, now: Option<UnixMillis>, keeps_alive: bool) -> Zeroizing<Vec<u8>> {
        let reason = StatusCode::from_u16(self.status).ok();
        let reason = reason.and_then(|status| status.canonical_reason()).unwrap_or("Status");
        let length = self.body.len().to_string();
        let date = now.map(|now| {
            let since_epoch = Duration::from_secs(now.as_secs().min(LAST_DATE_SECS));
            httpdate::fmt_http_date(UNIX_EPOCH + since_epoch)
        });
        let mut extra = vec![("Content-Length", length.as_str())];
        extra.extend(date.as_deref().map(|date| ("Date", date)));
        if !keeps_alive {
            extra.push(("Connection", "close"));
        }
        self.fields.encode(&format!("HTTP/1.1 {} {reason}", self.status), &extra, &self.body)
    }
}
