//! Responses of the service.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use zeroize::Zeroizing;

use super::error::ClientError;
use crate::http1::{Message, ResponseHead};
use crate::printable::printable;

/// A response to one HTTP request.
pub(super) struct Response {
    pub(super) status: u16,
    /// Value of the Retry-After field.
    pub(super) retry_after: Option<String>,
    /// Value of the receipt header, if the receipt was verified.
    pub(super) receipt: Option<String>,
    pub(super) body: Zeroizing<Vec<u8>>,
}

impl Response {
    /// Creates a response that nothing proves.
    pub(super) fn unverified(message: Message<ResponseHead>) -> Self {
        let Message { head, body } = message;
        let retry_after = head.fields.single("retry-after").map(str::to_owned);
        Self { status: head.status, retry_after, receipt: None, body }
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
        // Any server on the path can have sent the text.
        let text = |key: &str| {
            let text = body.get(key).and_then(Value::as_str);
            text.map(|text| printable(text, usize::MAX))
        };
        Some(match text("__type") {
            Some(error_type) => {
                let message = text("message").or_else(|| text("Message")).unwrap_or_default();
                ClientError::Rejected { error_type, message }
            }
            None => ClientError::Malformed { status: self.status },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_of_the_service_has_no_control_character() {
        let body = br#"{"__type":"A\u001b[2J","message":"b\r\n\u009b\u202ec"}"#.to_vec();
        let response =
            Response { status: 400, retry_after: None, receipt: None, body: Zeroizing::new(body) };
        let text = response.error().unwrap().to_string();
        assert_eq!(text, r"A\u{1b}[2J: b\r\n\u{9b}\u{202e}c");
    }
}
