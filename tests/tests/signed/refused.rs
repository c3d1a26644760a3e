//! Who does not sign with a known secret, or is not allowed to, is refused in KMS's words, once.

use super::guarded::Guarded;
use super::party::{Ask, Party};
use crate::clients::TestKey;
use crate::sigv4::Attempt;
use crate::sigv4::table::{Operation, REFUSED, Refused};

#[test]
fn boto3_is_refused_in_the_words_of_kms_after_one_attempt() {
    is_refused_in_the_words_of_kms_after_one_attempt(Party::Boto3);
}

#[test]
fn javascript_is_refused_in_the_words_of_kms_after_one_attempt() {
    is_refused_in_the_words_of_kms_after_one_attempt(Party::JavaScript);
}

#[test]
fn cli_is_refused_in_the_words_of_kms_after_one_attempt() {
    is_refused_in_the_words_of_kms_after_one_attempt(Party::Cli);
}

fn is_refused_in_the_words_of_kms_after_one_attempt(party: Party) {
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
            assert_eq!(reply.statuses, [400], "{because}: {reply:?}");
            assert_eq!(reply.result.unwrap_err(), owned(refused.error), "{because}");
            expected.push(Attempt {
                proven: refused.proven.map(|arn| owned((arn, identity.access_key_id))),
                error: Some(owned(refused.error)),
            });
        }
    }
    assert_eq!(service.attempts(), expected);
}

fn owned((one, other): (&str, &str)) -> (String, String) {
    (one.to_owned(), other.to_owned())
}
