//! The target for signed requests: arbitrary bytes of a client on one connection to an enclave that
//! requires signatures.

mod audit_trail;
pub(crate) mod request_builder;
pub(crate) mod valid_requests;

use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use enclave::config::Config;
use kms_api::CONTENT_TYPE;
use serde_json::Value;

use self::audit_trail::AuditTrail;
use self::request_builder::{EXPIRED, RECIPIENT_ONLY, SESSION, UNRESTRICTED};
use self::valid_requests::Outcome;
use crate::connection::framing::{self, Request, Response};
use crate::connection::{Enclave, response_checks};
use crate::placeholder;

/// Checks arbitrary bytes, which may contain placeholders. Without a valid signature, a request must not
/// succeed, and its audit record must not name a caller.
pub fn run(data: &[u8]) {
    let sent = expand(data);
    let Exchange { received, records } = exchange(&sent);
    response_checks::check_responses(&sent, &received);
    let (requests, _) = framing::requests(&sent);
    let secrets = undisclosed_secrets(&sent, &requests);
    let assert_no_secret = |text: &[u8]| {
        assert!(secrets.iter().all(|secret| count(text, secret) == 0), "a secret was disclosed");
    };
    assert_no_secret(&received);
    let is_head = |index: usize| requests.get(index).is_some_and(Request::is_head);
    let responses = framing::responses(&received, is_head);
    let mut records = records.iter();
    for (response, request) in responses.iter().zip(&requests) {
        if is_kms_response(response, request) {
            let record = records.next().expect("each request has an audit record");
            assert_no_secret(record.as_bytes());
            check_response(response, request, &audit_trail::parse(record));
        }
    }
    assert_eq!(records.next(), None, "an audit record without a request");
}

/// Checks one response and its audit record. A success, or a caller in the record, requires a valid
/// signature.
fn check_response(response: &Response<'_>, request: &Request<'_>, record: &Value) {
    let valid = valid_requests::find(request);
    let is_success = response.status == 200;
    let may_succeed = valid.is_some_and(|valid| valid.outcome == Outcome::Success);
    assert!(may_succeed || !is_success, "a request without a valid signature succeeded");
    assert_eq!(record["requestID"].as_str(), response.request_id);
    assert_eq!(record["errorCode"].is_null(), is_success, "{record}");
    if let Some(named) = record["userIdentity"]["accessKeyId"].as_str() {
        let valid = valid.expect("the record names a caller without a valid signature");
        assert_eq!(named, valid.credential().access_key_id);
    } else {
        assert!(!is_success && record["userIdentity"].get("arn").is_none(), "{record}");
    }
}

/// Returns whether the KMS API returned the response. The HTTP layer rejects a request with another
/// method or path, without an audit record.
fn is_kms_response(response: &Response<'_>, request: &Request<'_>) -> bool {
    response.content_type == Some(CONTENT_TYPE)
        && request.method == "POST"
        && request.path().is_empty()
}

/// Returns the secrets that responses and records must not contain. A secret that the client sent in
/// another part of the request may occur, because errors quote requests. The header X-Amz-Security-Token
/// is the exception: the service must not repeat it.
fn undisclosed_secrets(sent: &[u8], requests: &[Request<'_>]) -> Vec<&'static str> {
    let credentials = [&UNRESTRICTED, &SESSION, &RECIPIENT_ONLY, &EXPIRED].into_iter();
    let secrets = credentials.flat_map(|key| [Some(key.secret), key.session_token]).flatten();
    let as_tokens = |secret| -> usize {
        let tokens = requests.iter().flat_map(|request| request.values("x-amz-security-token"));
        tokens.map(|token| count(token, secret)).sum()
    };
    secrets.filter(|secret| count(sent, secret) == as_tokens(secret)).collect()
}

fn count(text: &[u8], part: &str) -> usize {
    text.windows(part.len()).filter(|window| *window == part.as_bytes()).count()
}

struct Exchange {
    received: Vec<u8>,
    /// One audit record per line.
    records: Vec<String>,
}

fn exchange(sent: &[u8]) -> Exchange {
    static ENCLAVE: OnceLock<Mutex<(Enclave, AuditTrail)>> = OnceLock::new();
    let enclave = ENCLAVE.get_or_init(|| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/signed.toml");
        let config = Config::load(Some(&path)).expect("the fixture is a configuration");
        let (audit, audit_trail) = AuditTrail::start();
        Mutex::new((Enclave::start(config, audit), audit_trail))
    });
    // A failed exchange leaves no state in the enclave, so the next exchange can use it.
    let (enclave, audit_trail) = &*enclave.lock().unwrap_or_else(PoisonError::into_inner);
    let received = enclave.exchange(&[sent]);
    let records = audit_trail.take_records(enclave);
    Exchange { received, records }
}

/// Replaces each placeholder by its text.
pub(crate) fn expand(data: &[u8]) -> Vec<u8> {
    let valid = valid_requests::all().iter();
    let signatures = valid.map(|valid| (valid.placeholder.as_str(), valid.signature.as_str()));
    let placeholders: Vec<_> = signatures.chain([placeholder::document()]).collect();
    placeholder::expand(data, &placeholders)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that the enclave accepts the valid requests. The target relies on that.
    #[test]
    fn accepts_valid_requests_as_their_signer() {
        for valid in valid_requests::all() {
            let sent = expand(valid.input().as_bytes());
            let Exchange { received, records } = exchange(&sent);
            let [response] = &framing::responses(&received, |_| false)[..] else {
                panic!("one response")
            };
            let body: Value = serde_json::from_slice(response.body).expect("JSON");
            let outcome = match valid.outcome {
                Outcome::Success => (200, None),
                Outcome::Error(error) => (400, Some(error)),
            };
            assert_eq!((response.status, body["__type"].as_str()), outcome, "{:?}", valid.builder);
            let identity = &audit_trail::parse(&records[0])["userIdentity"];
            assert_eq!(identity["accessKeyId"], valid.credential().access_key_id);
            assert!(valid.matches(&framing::requests(&sent).0[0]));
        }
    }
}
