//! Responses of the service.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use ureq::Body;
use ureq::http;

use super::error::ClientError;

/// Maximum length of a response body, in bytes.
const MAX_RESPONSE_LENGTH: u64 = 64 * 1024;

/// A response to one HTTP request.
pub(super) struct Response {
    pub(super) status: u16,
    /// Value of the Retry-After field.
    pub(super) retry_after: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Response {
    /// Reads a response of at most [`MAX_RESPONSE_LENGTH`] bytes.
    pub(super) fn read(mut response: http::Response<Body>) -> Result<Self, ureq::Error> {
        let status = response.status().as_u16();
        let retry_after = response.headers().get("retry-after");
        let retry_after = retry_after.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = response.body_mut().with_config().limit(MAX_RESPONSE_LENGTH).read_to_vec()?;
        Ok(Self { status, retry_after, body })
    }

    /// Parses the body of a successful response.
    pub(super) fn json(&self) -> Result<Value, ClientError> {
        if let Some(error) = self.error() {
            return Err(error);
        }
        serde_json::from_slice(&self.body)
            .map_err(|_| ClientError::Malformed { status: self.status })
    }

    /// Returns the decoded base64 member `member` of `body`.
    pub(super) fn blob(&self, body: &Value, member: &str) -> Result<Vec<u8>, ClientError> {
        let text = body.get(member).and_then(Value::as_str);
        text.and_then(|text| STANDARD.decode(text).ok())
            .ok_or(ClientError::Malformed { status: self.status })
    }

    /// Returns the error that the response contains, or `None` if its status is 200.
    pub(super) fn error(&self) -> Option<ClientError> {
        if self.status == 200 {
            return None;
        }
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let text = |key: &str| body.get(key).and_then(Value::as_str).map(ToOwned::to_owned);
        Some(match text("__type") {
            Some(error_type) => {
                let message = text("message").or_else(|| text("Message")).unwrap_or_default();
                ClientError::Rejected { error_type, message }
            }
            None => ClientError::Malformed { status: self.status },
        })
    }
}
