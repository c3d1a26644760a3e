//! The response that contains an attestation document, in the format that the client accepts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::http::request::Parts;
use hyper::{StatusCode, header};

use super::response::Response;

/// Returns a response with an attestation document. If the request accepts JSON, the body is
/// `{"attestation_document": BASE64}`. Otherwise, the body is the raw bytes of the document.
pub(crate) fn document_response(head: &Parts, document: Vec<u8>) -> Response {
    if !accepts_json(head) {
        return Response::new(StatusCode::OK, "application/octet-stream", document);
    }
    let document = STANDARD.encode(document);
    let body = serde_json::json!({ "attestation_document": document }).to_string();
    Response::new(StatusCode::OK, "application/json", body.into_bytes())
}

fn accepts_json(head: &Parts) -> bool {
    let accept = head.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("application/json"))
}
