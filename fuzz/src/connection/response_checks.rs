//! Checks that hold for the responses to any input.

use attestation::cms::open;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kms_api::CONTENT_TYPE;
use serde_json::Value;

use super::framing::{self, Request, Response};
use crate::fixture;

/// Statuses of hyper's own responses, which have no body. The reasons are invalid HTTP, a request target
/// that is too long, or a header that is too long.
const STATUSES_WITHOUT_BODY: [u16; 3] = [400, 414, 431];

/// The comparable form of a response of hyper itself.
const HYPER_REJECTION: &str = "rejected by hyper";

/// The parts of responses that do not differ between runs: the status, and the body without random
/// bytes.
pub(crate) type ComparableResponses = Vec<(u16, String)>;

/// Checks the responses in `received` to the requests in `sent`.
pub(crate) fn check_responses(sent: &[u8], received: &[u8]) -> ComparableResponses {
    let (requests, rest) = framing::requests(sent);
    let is_head = |index: usize| requests.get(index).is_some_and(|request| request.is_head());
    let responses = framing::responses(received, is_head);
    assert!(responses.len() <= requests.len() + 1, "more responses than requests");
    let last = responses.len().saturating_sub(1);
    let checked = responses.iter().enumerate().map(|(index, response)| {
        assert!(!response.closes || index == last, "a response follows the last one");
        let checked = check_response(response, requests.get(index));
        // If a request is invalid in two ways, the status of hyper's response depends on the pieces
        // in which the request arrives. All these responses count as 400.
        (if checked == HYPER_REJECTION { 400 } else { response.status }, checked)
    });
    let mut checked: ComparableResponses = checked.collect();
    if !always_gets_response(rest)
        && responses.last().is_some_and(|last| last.content_type.is_none())
    {
        checked.pop();
    }
    checked
}

/// Returns whether hyper responds to these bytes regardless of the pieces in which they arrive. The
/// bytes are not a valid request. If a head arrives in pieces, hyper parses it only when it is complete,
/// so hyper may reject or ignore a truncated head. hyper does not respond to the preface of HTTP/2.
fn always_gets_response(rest: &[u8]) -> bool {
    // hyper skips empty lines before a request (RFC 9112 section 2.2). Such an empty line does not
    // end a head.
    let first = rest.iter().position(|byte| !b"\r\n".contains(byte)).unwrap_or(rest.len());
    let rest = &rest[first..];
    let ends: [&[u8]; 2] = [b"\n\r\n", b"\n\n"];
    let is_whole = ends.iter().any(|end| rest.windows(end.len()).any(|bytes| bytes == *end));
    is_whole && !rest.starts_with(b"PRI * HTTP/2.0")
}

fn check_response(response: &Response<'_>, request: Option<&Request<'_>>) -> String {
    match (response.content_type, request) {
        (None, _) => {
            assert!(STATUSES_WITHOUT_BODY.contains(&response.status), "{}", response.status);
            assert!(response.closes && response.body.is_empty());
            HYPER_REJECTION.to_owned()
        }
        (Some(_), None) => panic!("a response without a request"),
        (Some(_), Some(request)) if request.is_head() => String::new(),
        (Some(CONTENT_TYPE), Some(request)) => check_kms_response(response, request),
        (Some(_), Some(request)) => {
            assert_eq!(response.status, 200);
            let text = str::from_utf8(response.body).expect("text");
            if request.path() == "metrics" {
                // The values of metrics differ between requests, so they are not compared.
                assert!(text.starts_with("# HELP") && text.ends_with("# EOF\n"), "{text}");
                return "metrics".to_owned();
            }
            assert!(["healthz", "readyz"].contains(&request.path()));
            text.to_owned()
        }
    }
}

fn check_kms_response(response: &Response<'_>, request: &Request<'_>) -> String {
    let body: Value = serde_json::from_slice(response.body).expect("JSON");
    let members = body.as_object().expect("an object");
    match response.status {
        200 => {
            assert_eq!((members.len(), request.values("x-amz-target").len()), (1, 1));
            assert_eq!(request.path(), "");
            let Some((member, Value::String(blob))) = members.iter().next() else {
                return body.to_string();
            };
            let blob = STANDARD.decode(blob).expect("base64");
            check_random_bytes(member, &blob, request);
            format!("{member}: {} bytes", blob.len())
        }
        400 | 413 => {
            assert!(body["__type"].as_str().is_some_and(|name| name.ends_with("Exception")));
            body.to_string()
        }
        status => panic!("{status}: {body}"),
    }
}

/// Checks the random bytes of a response. If the request has a Recipient, the recipient's key must
/// decrypt them. Otherwise the response must contain the requested number of bytes.
fn check_random_bytes(member: &str, blob: &[u8], request: &Request<'_>) {
    let request_body: Value = serde_json::from_slice(request.body).expect("the request is JSON");
    let number_of_bytes = request_body["NumberOfBytes"].as_u64().expect("a number");
    let length = |bytes: &[u8]| u64::try_from(bytes.len()).expect("a small number");
    if request_body["Recipient"].is_null() {
        assert_eq!((member, length(blob)), ("Plaintext", number_of_bytes));
    } else {
        assert_eq!(member, "CiphertextForRecipient");
        let opened =
            open(blob, fixture::recipient()).expect("the response is sealed to the recipient");
        assert_eq!(length(&opened), number_of_bytes);
    }
}
