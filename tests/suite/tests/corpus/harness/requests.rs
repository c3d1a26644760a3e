//! Valid HTTP requests, parts of invalid requests, and expected error responses.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::harness::response::Expected;
use crate::harness::row::Row;
use crate::harness::service::{generate_random, post, valid_document};

pub(crate) const GENERATE_RANDOM: &str = "TrentService.GenerateRandom";
pub(crate) const JSON: &str = "Content-Type: application/x-amz-json-1.1";
pub(crate) const TARGET: &str = "X-Amz-Target: TrentService.GenerateRandom";
/// The body of [`plain`], 20 bytes long.
pub(crate) const BODY: &str = r#"{"NumberOfBytes":32}"#;
pub(crate) const BODY_LENGTH: &str = "Content-Length: 20";
/// The expected response to a valid request without a Recipient, [`plain`].
pub(crate) const PLAINTEXT_RESPONSE: Expected = Expected::Plaintext { length: 32 };
/// The expected response to a valid request with a Recipient, [`attested`].
pub(crate) const SEALED_RESPONSE: Expected = Expected::Sealed { length: 32 };
/// The response that hyper itself sends to a malformed request.
pub(crate) const BAD_REQUEST: Expected = Expected::Http { status: 400 };
/// The response that hyper itself sends to a head above its limits.
pub(crate) const HEAD_TOO_LARGE: Expected = Expected::Http { status: 431 };

static DOCUMENT: LazyLock<Vec<u8>> = LazyLock::new(|| valid_document().sign().unwrap());

/// Returns a valid document. All calls return the same document.
pub(crate) fn document() -> &'static [u8] {
    &DOCUMENT
}

pub(crate) fn document_base64() -> String {
    STANDARD.encode(document())
}

/// Returns a valid request without a Recipient.
pub(crate) fn plain() -> Vec<u8> {
    generate(BODY)
}

/// Returns a valid request with a Recipient.
pub(crate) fn attested() -> Vec<u8> {
    generate_random(document())
}

/// Returns the body of [`attested`].
pub(crate) fn attested_body() -> String {
    attested_body_with(&document_base64())
}

/// Returns the body of a request in which `AttestationDocument` is the text `base64`.
pub(crate) fn attested_body_with(base64: &str) -> String {
    recipient_body(&format!(
        r#"{{"KeyEncryptionAlgorithm":"RSAES_OAEP_SHA_256","AttestationDocument":"{base64}"}}"#
    ))
}

/// Returns the body of a request in which `Recipient` is this JSON text.
pub(crate) fn recipient_body(recipient: &str) -> String {
    format!(r#"{{"NumberOfBytes":32,"Recipient":{recipient}}}"#)
}

/// Returns a GenerateRandom request with this body.
pub(crate) fn generate(body: impl AsRef<[u8]>) -> Vec<u8> {
    post(GENERATE_RANDOM, body.as_ref())
}

/// Returns a request with this start line, these header lines and this body.
pub(crate) fn request(line: &str, fields: &[&str], body: impl AsRef<[u8]>) -> Vec<u8> {
    let head = format!("{line}\r\nHost: localhost\r\n{}\r\n\r\n", fields.join("\r\n"));
    [head.as_bytes(), body.as_ref()].concat()
}

/// Returns a GenerateRandom request in which the header lines `fields` replace Content-Length.
pub(crate) fn with_framing(fields: &[&str], body: impl AsRef<[u8]>) -> Vec<u8> {
    request("POST / HTTP/1.1", &[&[JSON, TARGET], fields].concat(), body)
}

/// Appends a valid request to `bytes`. The response to this request shows that the connection stays
/// open.
pub(crate) fn followed_by_plain_request(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    [bytes.as_ref(), &plain()].concat()
}

/// Returns the expected response 413, after which the connection closes.
pub(crate) fn too_large() -> Expected {
    let message = "The request body exceeds 524288 bytes.";
    Expected::error(413, "RequestEntityTooLargeException", message).and_close()
}

/// Returns the expected rejection of a Transfer-Encoding that hyper can parse but this service does
/// not accept.
pub(crate) fn transfer_encoding() -> Expected {
    Expected::validation("Transfer-Encoding is not supported; send the body with Content-Length")
        .and_close()
}

/// Returns the expected response to an empty body.
pub(crate) fn empty_body() -> Expected {
    Expected::serialization("EOF while parsing a value at line 1 column 0")
}

/// Returns the expected SerializationException for a body that is not JSON of the required form.
pub(crate) fn serialization_error(message: &str) -> Vec<Expected> {
    vec![Expected::serialization(message)]
}

/// Returns the expected ValidationException with this whole message.
pub(crate) fn validation_error(message: &str) -> Vec<Expected> {
    vec![Expected::validation(message)]
}

/// Returns the expected ValidationException for one value that breaks a constraint of KMS's model,
/// such as a length. `message` is the part of the error message after "Value".
pub(crate) fn constraint_violation(message: &str) -> Vec<Expected> {
    validation_error(&format!("1 validation error detected: Value {message}"))
}

/// Adds a case: the service rejects `body` with `responses`, and serves the next request on the
/// connection.
pub(crate) fn rejects(
    row: Row,
    case: impl Into<String>,
    body: impl AsRef<[u8]>,
    mut responses: Vec<Expected>,
) -> Row {
    responses.push(PLAINTEXT_RESPONSE);
    row.exchange(case, followed_by_plain_request(generate(body)), responses)
}
