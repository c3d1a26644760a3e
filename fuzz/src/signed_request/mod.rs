//! Who may call: any bytes as what one client sends on one connection to an enclave that asks for
//! signatures.

pub(crate) mod draft;
pub(crate) mod known;
mod trail;

use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use enclave::config::Config;
use kms_api::CONTENT_TYPE;
use serde_json::Value;

use self::draft::{MANY, PAST, RECIPIENT, SESSION};
use self::known::Outcome;
use self::trail::Trail;
use crate::connection::framing::{self, Answer, Request};
use crate::connection::{Enclave, judge};
use crate::shorthand;

/// Any bytes, with shorthands. Nobody gets anything, nor is on record with a name, by a request that
/// is not one of those that were rightly signed.
pub fn run(data: &[u8]) {
    let sent = expand(data);
    let Exchange { received, records } = exchange(&sent);
    judge::answers(&sent, &received);
    let (requests, _) = framing::requests(&sent);
    let secrets = secrets_that_must_not_be_told(&sent, &requests);
    let assert_silent = |told: &[u8]| {
        assert!(secrets.iter().all(|secret| count(told, secret) == 0), "a secret is told");
    };
    assert_silent(&received);
    let is_head = |index: usize| requests.get(index).is_some_and(Request::is_head);
    let answers = framing::answers(&received, is_head);
    let mut records = records.iter();
    for (answer, request) in answers.iter().zip(&requests) {
        if is_of_kms(answer, request) {
            let record = records.next().expect("each request is on record");
            assert_silent(record.as_bytes());
            judge(answer, request, &trail::parse(record));
        }
    }
    assert_eq!(records.next(), None, "a record of no request");
}

/// What is given, and whom it names, must be proved.
fn judge(answer: &Answer<'_>, request: &Request<'_>, record: &Value) {
    let known = known::find(request);
    let is_granted = answer.status == 200;
    let may_be_granted = known.is_some_and(|known| known.outcome == Outcome::Granted);
    assert!(may_be_granted || !is_granted, "answered what nobody signed");
    assert_eq!(record["requestID"].as_str(), answer.request_id);
    assert_eq!(record["errorCode"].is_null(), is_granted, "{record}");
    if let Some(named) = record["userIdentity"]["accessKeyId"].as_str() {
        let known = known.expect("named who did not sign");
        assert_eq!(named, known.credential().access_key_id);
    } else {
        assert!(!is_granted && record["userIdentity"].get("arn").is_none(), "{record}");
    }
}

/// Whether it is about a request to KMS, and not what HTTP itself refuses.
fn is_of_kms(answer: &Answer<'_>, request: &Request<'_>) -> bool {
    answer.content_type == Some(CONTENT_TYPE)
        && request.method == "POST"
        && request.path().is_empty()
}

/// All but what a client says openly itself; X-Amz-Security-Token is not repeated to anybody.
fn secrets_that_must_not_be_told(sent: &[u8], requests: &[Request<'_>]) -> Vec<&'static str> {
    let of_each = [&MANY, &SESSION, &RECIPIENT, &PAST].into_iter();
    let secrets = of_each.flat_map(|known| [Some(known.secret), known.session_token]).flatten();
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
    /// A line each.
    records: Vec<String>,
}

fn exchange(sent: &[u8]) -> Exchange {
    static ENCLAVE: OnceLock<Mutex<(Enclave, Trail)>> = OnceLock::new();
    let enclave = ENCLAVE.get_or_init(|| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/signed.toml");
        let config = Config::load(Some(&path)).expect("the fixture is a configuration");
        let (audit, trail) = Trail::start();
        Mutex::new((Enclave::start(config, audit), trail))
    });
    // Nothing of one exchange is left for the next, so a panic in between leaves all as it should be.
    let (enclave, trail) = &*enclave.lock().unwrap_or_else(PoisonError::into_inner);
    let received = enclave.exchange(&[sent]);
    let records = trail.records_until_now(enclave);
    Exchange { received, records }
}

/// Writes each shorthand out.
pub(crate) fn expand(data: &[u8]) -> Vec<u8> {
    let known = known::all().iter();
    let signatures = known.map(|known| (known.shorthand.as_str(), known.signature.as_str()));
    let shorthands: Vec<_> = signatures.chain([shorthand::document()]).collect();
    shorthand::expand(data, &shorthands)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Or there would be nothing to forge.
    #[test]
    fn what_is_rightly_signed_is_answered_for_its_signer() {
        for known in known::all() {
            let sent = expand(known.input().as_bytes());
            let Exchange { received, records } = exchange(&sent);
            let [answer] = &framing::answers(&received, |_| false)[..] else { panic!("an answer") };
            let body: Value = serde_json::from_slice(answer.body).expect("JSON");
            let outcome = match known.outcome {
                Outcome::Granted => (200, None),
                Outcome::Refused(error) => (400, Some(error)),
            };
            assert_eq!((answer.status, body["__type"].as_str()), outcome, "{:?}", known.draft);
            let identity = &trail::parse(&records[0])["userIdentity"];
            assert_eq!(identity["accessKeyId"], known.credential().access_key_id);
            assert!(known.is(&framing::requests(&sent).0[0]));
        }
    }
}
