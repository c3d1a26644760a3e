//! Who does not sign with a known secret, or is not allowed to, is refused in KMS's words, once.

use super::client::{Ask, Party};
use super::sigv4_service::Guarded;
use crate::clients::TestKey;
use crate::sigv4::Attempt;
use crate::sigv4::identities::{Operation, REFUSED, Refused};

#[test]
fn boto3_receives_the_kms_error_after_one_attempt() {
    receives_the_kms_error_after_one_attempt(Party::Boto3);
}

#[test]
fn javascript_receives_the_kms_error_after_one_attempt() {
    receives_the_kms_error_after_one_attempt(Party::JavaScript);
}

#[test]
fn cli_receives_the_kms_error_after_one_attempt() {
    receives_the_kms_error_after_one_attempt(Party::Cli);
}

#[test]
fn javascript_v2_receives_the_kms_error() {
    receives_the_kms_error_after_one_attempt(Party::JavaScriptV2);
}

#[test]
fn aws4fetch_receives_the_kms_error_after_one_attempt() {
    receives_the_kms_error_after_one_attempt(Party::Aws4fetch);
}

fn receives_the_kms_error_after_one_attempt(party: Party) {
    let service = Guarded::start();
    let document = service.document(&TestKey::of_bits(2048));
    let mut expected = Vec::new();
    for refused in REFUSED {
        let Refused { because, identity, operation, .. } = refused;
        // The Recipient is not looked at, so it changes nothing.
        let mut asks = vec![operation.into()];
        if operation == Operation::GenerateRandom && party != Party::Cli {
            asks.push(Ask::Sealed(document.clone()));
        }
        for reply in party.ask(&identity, service.endpoint_url(), &asks) {
            let attempts = attempts(party, refused.error.0);
            assert_eq!(reply.statuses, vec![400; attempts], "{because}: {reply:?}");
            assert_eq!(reply.result.unwrap_err(), owned(refused.error), "{because}");
            let attempt = || Attempt {
                proven: refused.proven.map(|arn| owned((arn, identity.access_key_id))),
                error: Some(owned(refused.error)),
            };
            expected.extend((0..attempts).map(|_| attempt()));
        }
    }
    assert_eq!(service.attempts(), expected);
}

/// Version 2 of the SDK for JavaScript fetches its credentials anew when they have expired, and tries
/// again; nothing else makes any client do so.
fn attempts(party: Party, error: &str) -> usize {
    match (party, error) {
        (Party::JavaScriptV2, "ExpiredTokenException") => 2,
        _ => 1,
    }
}

fn owned((one, other): (&str, &str)) -> (String, String) {
    (one.to_owned(), other.to_owned())
}
