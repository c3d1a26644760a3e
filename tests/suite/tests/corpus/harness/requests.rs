//! Requests of section E: good ones, and the parts that bad ones are made of.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::harness::response::Expected;
use crate::harness::row::Row;
use crate::harness::service::{generate_random, good, post};

pub(crate) const GENERATE_RANDOM: &str = "TrentService.GenerateRandom";
pub(crate) const JSON: &str = "Content-Type: application/x-amz-json-1.1";
pub(crate) const TARGET: &str = "X-Amz-Target: TrentService.GenerateRandom";
/// The body of [`plain`], of 20 bytes.
pub(crate) const BODY: &str = r#"{"NumberOfBytes":32}"#;
pub(crate) const BODY_LENGTH: &str = "Content-Length: 20";
/// The answer to [`plain`].
pub(crate) const PLAINTEXT_RESPONSE: Expected = Expected::Plaintext { length: 32 };
/// The answer to [`attested`].
pub(crate) const SEALED_RESPONSE: Expected = Expected::Sealed { length: 32 };
/// hyper's own refusal.
pub(crate) const BAD_REQUEST: Expected = Expected::Http { status: 400 };
/// hyper's own refusal of a head past its bounds.
pub(crate) const HEAD_TOO_LARGE: Expected = Expected::Http { status: 431 };

static DOCUMENT: LazyLock<Vec<u8>> = LazyLock::new(|| good().sign().unwrap());

/// A good document, and its base64: the same in all requests.
pub(crate) fn document() -> &'static [u8] {
    &DOCUMENT
}

pub(crate) fn document_base64() -> String {
    STANDARD.encode(document())
}

/// A good request without a Recipient.
pub(crate) fn plain() -> Vec<u8> {
    generate(BODY)
}

/// A good request with one.
pub(crate) fn attested() -> Vec<u8> {
    generate_random(document())
}

/// The body of [`attested`].
pub(crate) fn attested_body() -> String {
    attested_body_with(&document_base64())
}

/// The body of a request whose document's base64 is `base64`, as it is in JSON.
pub(crate) fn attested_body_with(base64: &str) -> String {
    recipient_body(&format!(
        r#"{{"KeyEncryptionAlgorithm":"RSAES_OAEP_SHA_256","AttestationDocument":"{base64}"}}"#
    ))
}

/// The body of a request with a Recipient of one's own.
pub(crate) fn recipient_body(recipient: &str) -> String {
    format!(r#"{{"NumberOfBytes":32,"Recipient":{recipient}}}"#)
}

/// GenerateRandom with a body of one's own.
pub(crate) fn generate(body: impl AsRef<[u8]>) -> Vec<u8> {
    post(GENERATE_RANDOM, body.as_ref())
}

/// A request line, header fields and a body of one's own.
pub(crate) fn request(line: &str, fields: &[&str], body: impl AsRef<[u8]>) -> Vec<u8> {
    let head = format!("{line}\r\nHost: localhost\r\n{}\r\n\r\n", fields.join("\r\n"));
    [head.as_bytes(), body.as_ref()].concat()
}

/// GenerateRandom with `fields` in the place of Content-Length.
pub(crate) fn framed(fields: &[&str], body: impl AsRef<[u8]>) -> Vec<u8> {
    request("POST / HTTP/1.1", &[&[JSON, TARGET], fields].concat(), body)
}

/// `bytes`, and a good request behind them that must not be answered if the connection closes.
pub(crate) fn followed_by_plain_request(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    [bytes.as_ref(), &plain()].concat()
}

/// 413, and the connection closes.
pub(crate) fn too_large() -> Expected {
    let message = "The request body exceeds 524288 bytes.";
    Expected::error(413, "RequestEntityTooLargeException", message).and_close()
}

/// What is said to any Transfer-Encoding that hyper understands.
pub(crate) fn transfer_encoding() -> Expected {
    Expected::validation("Transfer-Encoding is not supported; send the body with Content-Length")
        .and_close()
}

/// What an empty body is told.
pub(crate) fn empty_body() -> Expected {
    Expected::serialization("EOF while parsing a value at line 1 column 0")
}

/// What is said of a body that is not JSON of the right shape.
pub(crate) fn serialization(message: &str) -> Vec<Expected> {
    vec![Expected::serialization(message)]
}

/// What is said of a value that breaks a rule.
pub(crate) fn validation(message: &str) -> Vec<Expected> {
    vec![Expected::validation(message)]
}

/// What is said of one value out of its limits.
pub(crate) fn violation(message: &str) -> Vec<Expected> {
    validation(&format!("1 validation error detected: Value {message}"))
}

/// `body` is refused with `answers`, and a request behind it is served.
pub(crate) fn rejects(
    row: Row,
    what: impl Into<String>,
    body: impl AsRef<[u8]>,
    mut answers: Vec<Expected>,
) -> Row {
    answers.push(PLAINTEXT_RESPONSE);
    row.exchange(what, followed_by_plain_request(generate(body)), answers)
}
