//! Received and expected HTTP responses.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::harness::service::RECIPIENTS;

/// A received response.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Response {
    status: u16,
    /// Header names in lower case.
    headers: Vec<(String, String)>,
    body: String,
}

/// An expected response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// A KMS error with this status and exactly this body.
    Error { status: u16, body: String },
    /// A response of hyper itself to a request that does not reach the service. The response has no
    /// body, and the connection closes.
    Http { status: u16 },
    /// Random bytes in plaintext.
    Plaintext { length: usize },
    /// Random bytes that are sealed to one of [`RECIPIENTS`].
    Sealed { length: usize },
    /// Another successful response with exactly this body.
    Ok { body: String },
    /// The interim response 100 Continue.
    Continue,
    /// The response to HEAD. It has the status and the Content-Length of the response to GET, but
    /// no body.
    Head { status: u16, length: usize },
    /// The inner response with the header `Connection: close`.
    Last(Box<Self>),
}

impl Expected {
    /// Creates the error body `{"__type": ..., "message": ...}`. Only AccessDeniedException and
    /// UnknownOperationException have another form.
    pub(crate) fn error(status: u16, error_type: &str, message: &str) -> Self {
        let message = Value::from(message);
        let body = format!(r#"{{"__type":"{error_type}","message":{message}}}"#);
        Self::Error { status, body }
    }

    /// Creates a 400 ValidationException.
    pub(crate) fn validation(message: &str) -> Self {
        Self::error(400, "ValidationException", message)
    }

    /// Creates a 400 SerializationException.
    pub(crate) fn serialization(message: &str) -> Self {
        Self::capitalised("SerializationException", message)
    }

    /// Creates a 400 AccessDeniedException.
    pub(crate) fn access_denied(message: &str) -> Self {
        Self::capitalised("AccessDeniedException", message)
    }

    /// Creates the error body `{"Message": ..., "__type": ...}`.
    fn capitalised(error_type: &str, message: &str) -> Self {
        let message = Value::from(message);
        let body = format!(r#"{{"Message":{message},"__type":"{error_type}"}}"#);
        Self::Error { status: 400, body }
    }

    /// Creates a 400 UnknownOperationException for an `X-Amz-Target`, which is empty if none is sent.
    pub(crate) fn unknown_target(target: &str) -> Self {
        let reason = match target {
            "" => "X-Amz-Target must name one operation".to_owned(),
            _ => format!("operation {} is not supported", target.as_bytes().escape_ascii()),
        };
        let served = "this service implements GenerateRandom and DescribeCustomKeyStores";
        Self::error(400, "UnknownOperationException", &format!("{reason}: {served}"))
    }

    /// Creates a 400 UnknownOperationException for another method or path.
    pub(crate) fn unknown_operation() -> Self {
        Self::Error { status: 400, body: r#"{"__type":"UnknownOperationException"}"#.to_owned() }
    }

    /// Also expects the header `Connection: close`.
    pub(crate) fn and_close(self) -> Self {
        Self::Last(Box::new(self))
    }

    /// Returns the message of an error.
    pub(crate) fn message(&self) -> String {
        let Self::Error { body, .. } = self else { panic!("{self:?} has no message") };
        let body: Value = serde_json::from_str(body).unwrap();
        let message = body.get("message").or_else(|| body.get("Message"));
        message.and_then(Value::as_str).unwrap().to_owned()
    }

    /// Returns the number of entropy blocks that the response needs.
    pub(crate) fn draws(&self) -> usize {
        match self {
            Self::Plaintext { .. } | Self::Sealed { .. } => 1,
            Self::Last(response) => response.draws(),
            Self::Error { .. }
            | Self::Http { .. }
            | Self::Head { .. }
            | Self::Ok { .. }
            | Self::Continue => 0,
        }
    }

    /// Returns whether the response rejects the request.
    pub(crate) fn is_rejection(&self) -> bool {
        match self {
            Self::Error { .. } | Self::Http { .. } | Self::Head { .. } => true,
            Self::Last(response) => response.is_rejection(),
            Self::Plaintext { .. } | Self::Sealed { .. } | Self::Ok { .. } | Self::Continue => {
                false
            }
        }
    }

    /// Returns whether the response has no body regardless of its Content-Length.
    pub(crate) fn is_bodiless(&self) -> bool {
        matches!(self, Self::Continue | Self::Head { .. })
    }
}

impl Response {
    /// Removes one response from the front of `bytes`. Content-Length determines the end of the
    /// response. Returns `None` if the response is incomplete.
    pub(crate) fn split_off(bytes: &mut Vec<u8>, bodiless: bool) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut response = Self::parse_head(head);
        let length = response.header("content-length").map_or(0, |text| text.parse().unwrap());
        let end = end + 4;
        let length = if bodiless { 0 } else { length };
        response.body = String::from_utf8(bytes.get(end..end + length)?.to_vec()).unwrap();
        bytes.drain(..end + length);
        Some(response)
    }

    fn parse_head(head: &str) -> Self {
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().strip_prefix("HTTP/1.").expect("an HTTP/1 response");
        let status = status.split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .map(|line| {
                let (name, value) = line.split_once(": ").unwrap();
                (name.to_ascii_lowercase(), value.to_owned())
            })
            .collect();
        Self { status, headers, body: String::new() }
    }

    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    pub(crate) fn body(&self) -> &str {
        &self.body
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn assert_is(&self, expected: &Expected, context: &str) {
        let context = format!("{context}: {self:#?}");
        match expected {
            Expected::Error { status, body } => {
                assert_eq!((self.status, &self.body), (*status, body), "{context}");
                self.assert_kms_headers(&context);
            }
            Expected::Http { status } => {
                assert_eq!((self.status, self.body.as_str()), (*status, ""), "{context}");
                assert_eq!(self.header("connection"), Some("close"), "{context}");
            }
            Expected::Ok { body } => {
                assert_eq!((self.status, &self.body), (200, body), "{context}");
            }
            Expected::Continue => {
                assert_eq!((self.status, &self.headers), (100, &Vec::new()), "{context}");
            }
            Expected::Head { status, length } => {
                assert_eq!(self.status, *status, "{context}");
                let length = length.to_string();
                assert_eq!(self.header("content-length"), Some(length.as_str()), "{context}");
            }
            Expected::Last(response) => {
                assert_eq!(self.header("connection"), Some("close"), "{context}");
                self.assert_is(response, &context);
            }
            Expected::Plaintext { length } => {
                assert_eq!(self.member("Plaintext", &context).len(), *length, "{context}");
            }
            Expected::Sealed { length } => {
                let sealed = self.member("CiphertextForRecipient", &context);
                let mut opened = RECIPIENTS.iter().filter_map(|key| key.open(&sealed).ok());
                let content = opened.next().expect(&context);
                assert_eq!(content.len(), *length, "{context}");
            }
        }
    }

    /// Removes the random bytes and the request id, so that responses can be compared.
    pub(crate) fn normalized(mut self) -> Self {
        if let Some(random) = self.blob("Plaintext") {
            self.body = format!("{} bytes", random.len());
        } else if let Some(sealed) = self.blob("CiphertextForRecipient") {
            let random = RECIPIENTS[0].open(&sealed).unwrap();
            self.body = format!("{} bytes, sealed", random.len());
        }
        self.headers.retain(|(name, _)| name != "x-amzn-requestid");
        self
    }

    /// Returns a member of the body that is a blob.
    pub(crate) fn blob(&self, name: &str) -> Option<Vec<u8>> {
        let body: Value = serde_json::from_str(&self.body).ok()?;
        STANDARD.decode(body.get(name)?.as_str()?).ok()
    }

    fn assert_kms_headers(&self, context: &str) {
        let content_type = self.header("content-type");
        assert_eq!(content_type, Some("application/x-amz-json-1.1"), "{context}");
        assert!(self.header("x-amzn-requestid").is_some(), "{context}");
    }

    /// Returns the only member of a successful response's body.
    fn member(&self, name: &str, context: &str) -> Vec<u8> {
        assert_eq!(self.status, 200, "{context}");
        self.assert_kms_headers(context);
        let body: Value = serde_json::from_str(&self.body).expect(context);
        let members = body.as_object().expect(context);
        assert_eq!(members.keys().collect::<Vec<_>>(), [name], "{context}");
        STANDARD.decode(members[name].as_str().expect(context)).expect(context)
    }
}
