//! Step 9: what the bodies of request and response contain.

use serde::Deserialize;
use serde::de::IgnoredAny;
use thiserror::Error;

/// A body is not a JSON object with the members of the operation, each at most once.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the {body} body is not a JSON object of its operation")]
pub struct ContentError {
    /// `request` or `response`.
    pub body: &'static str,
}

/// The members of a request that the checklist needs.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    recipient: Option<IgnoredAny>,
}

/// The members of a response that the checklist needs.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Response {
    plaintext: Option<IgnoredAny>,
    ciphertext_for_recipient: Option<IgnoredAny>,
}

/// The members of both bodies that step 9 compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) has_recipient: bool,
    pub(super) has_plaintext: bool,
    pub(super) is_sealed: bool,
}

impl Content {
    pub(super) fn parse(request: &[u8], response: &[u8]) -> Result<Self, ContentError> {
        let request: Request = object(request).ok_or(ContentError { body: "request" })?;
        let response: Response = object(response).ok_or(ContentError { body: "response" })?;
        Ok(Self {
            has_recipient: request.recipient.is_some(),
            has_plaintext: response.plaintext.is_some(),
            is_sealed: response.ciphertext_for_recipient.is_some(),
        })
    }
}

/// Parses a JSON object. A struct could otherwise also be a JSON array.
fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace())?;
    if *first == b'{' { serde_json::from_slice(body).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_members_by_their_exact_names() {
        let parse =
            |request: &str, response: &str| Content::parse(request.as_bytes(), response.as_bytes());
        let content = |has_recipient, has_plaintext, is_sealed| {
            Ok(Content { has_recipient, has_plaintext, is_sealed })
        };
        let recipient = r#"{"NumberOfBytes":1,"Recipient":{}}"#;
        assert_eq!(
            parse(recipient, r#"{"CiphertextForRecipient":"AA=="}"#),
            content(true, false, true)
        );
        assert_eq!(parse(r#"{"Recipient":null}"#, "{}"), content(false, false, false));
        assert_eq!(
            parse(r#"{"recipient":{}}"#, r#"{"Plaintext":""}"#),
            content(false, true, false)
        );
        for bad in ["", "[]", "[null,null]", r#"{"Plaintext":"","Plaintext":""}"#, "{}x"] {
            assert_eq!(parse("{}", bad), Err(ContentError { body: "response" }), "{bad}");
        }
        assert_eq!(parse("1", "{}"), Err(ContentError { body: "request" }));
    }
}
