//! HTTP answers: what was received, and what was expected.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::stage::RECIPIENTS;

/// An answer as it was received.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    status: u16,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    body: String,
}

/// What must be received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// An error of the KMS API: its status, and its body exactly.
    Error { status: u16, body: String },
    /// What hyper itself answers before it hands on a request: no body, and the connection closes.
    Http { status: u16 },
    /// So many random bytes in the clear.
    Plaintext { length: usize },
    /// So many random bytes, sealed to one of [`RECIPIENTS`].
    Sealed { length: usize },
    /// Any other good answer: its body exactly.
    Ok { body: String },
}

impl Expected {
    /// `{"__type": ..., "message": ...}`, as every error but SerializationException is written.
    pub(crate) fn error(status: u16, error_type: &str, message: &str) -> Self {
        let message = Value::from(message);
        let body = format!(r#"{{"__type":"{error_type}","message":{message}}}"#);
        Self::Error { status, body }
    }

    /// 400 ValidationException.
    pub(crate) fn validation(message: &str) -> Self {
        Self::error(400, "ValidationException", message)
    }

    /// 400 SerializationException.
    pub(crate) fn serialization(message: &str) -> Self {
        let message = Value::from(message);
        let body = format!(r#"{{"Message":{message},"__type":"SerializationException"}}"#);
        Self::Error { status: 400, body }
    }

    /// Whether random bytes are given.
    pub(crate) fn is_random(&self) -> bool {
        matches!(self, Self::Plaintext { .. } | Self::Sealed { .. })
    }
}

impl Answer {
    /// All answers of one connection, by their Content-Length.
    pub(crate) fn parse_all(mut bytes: &[u8]) -> Vec<Self> {
        let mut answers = Vec::new();
        while !bytes.is_empty() {
            let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
            let head = std::str::from_utf8(&bytes[..end]).unwrap();
            let mut answer = Self::parse_head(head);
            let rest = &bytes[end + 4..];
            let length = answer.header("content-length").map_or(0, |text| text.parse().unwrap());
            let (body, next) = rest.split_at_checked(length).expect("a whole body");
            answer.body = String::from_utf8(body.to_vec()).unwrap();
            answers.push(answer);
            bytes = next;
        }
        answers
    }

    fn parse_head(head: &str) -> Self {
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().strip_prefix("HTTP/1.1 ").expect("an HTTP/1.1 answer");
        let status = status.split(' ').next().unwrap().parse().unwrap();
        let headers = lines
            .map(|line| {
                let (name, value) = line.split_once(": ").unwrap();
                (name.to_ascii_lowercase(), value.to_owned())
            })
            .collect();
        Self { status, headers, body: String::new() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn assert_is(&self, expected: &Expected, context: &str) {
        let context = format!("{context}: {self:#?}");
        match expected {
            Expected::Error { status, body } => {
                assert_eq!((self.status, &self.body), (*status, body), "{context}");
                self.assert_kms(&context);
            }
            Expected::Http { status } => {
                assert_eq!((self.status, self.body.as_str()), (*status, ""), "{context}");
                assert_eq!(self.header("connection"), Some("close"), "{context}");
            }
            Expected::Ok { body } => {
                assert_eq!((self.status, &self.body), (200, body), "{context}");
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

    fn assert_kms(&self, context: &str) {
        let content_type = self.header("content-type");
        assert_eq!(content_type, Some("application/x-amz-json-1.1"), "{context}");
        assert!(self.header("x-amzn-requestid").is_some(), "{context}");
    }

    /// The one member of a good answer's body.
    fn member(&self, name: &str, context: &str) -> Vec<u8> {
        assert_eq!(self.status, 200, "{context}");
        self.assert_kms(context);
        let body: Value = serde_json::from_str(&self.body).expect(context);
        let members = body.as_object().expect(context);
        assert_eq!(members.keys().collect::<Vec<_>>(), [name], "{context}");
        STANDARD.decode(members[name].as_str().expect(context)).expect(context)
    }
}
