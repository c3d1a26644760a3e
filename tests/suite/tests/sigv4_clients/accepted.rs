//! Who signs with a known secret, and is allowed to, is served.

use serde_json::{Value, json};

use super::client::{Ask, Party};
use super::sigv4_service::Guarded;
use crate::clients::TestKey;
use crate::sigv4::Attempt;
use crate::sigv4::identities::{ALLOWED_TO_LIST, TEMPORARY, WALLET, WALLET_ARN};

#[test]
fn boto3_is_served_when_it_signs_with_the_right_secret_and_session_token() {
    is_served_when_it_signs_with_the_right_secret_and_session_token(Party::Boto3);
}

#[test]
fn boto3_that_signs_date_in_place_of_x_amz_date_is_served() {
    is_served_when_it_signs_with_the_right_secret_and_session_token(Party::Boto3Dated);
}

#[test]
fn javascript_is_served_when_it_signs_with_the_right_secret_and_session_token() {
    is_served_when_it_signs_with_the_right_secret_and_session_token(Party::JavaScript);
}

#[test]
fn cli_is_served_when_it_signs_with_the_right_secret_and_session_token() {
    is_served_when_it_signs_with_the_right_secret_and_session_token(Party::Cli);
}

#[test]
fn javascript_v2_is_served_when_it_signs_with_the_right_secret_and_session_token() {
    is_served_when_it_signs_with_the_right_secret_and_session_token(Party::JavaScriptV2);
}

#[test]
fn aws4fetch_is_served_when_it_signs_with_the_right_secret_and_session_token() {
    is_served_when_it_signs_with_the_right_secret_and_session_token(Party::Aws4fetch);
}

fn is_served_when_it_signs_with_the_right_secret_and_session_token(party: Party) {
    let service = Guarded::start();
    let key = TestKey::of_bits(2048);
    let asks = [Ask::Plain, Ask::Sealed(service.document(&key)), Ask::List];
    let mut expected = Vec::new();
    for identity in [WALLET, TEMPORARY] {
        let replies = party.ask(&identity, service.endpoint_url(), &asks);
        assert_eq!(replies[0].only_blob("Plaintext").len(), 32);
        assert_eq!(key.open(&replies[1].only_blob("CiphertextForRecipient")).len(), 32);
        assert_eq!(replies[2].statuses, [200]);
        let no_stores = json!({ "CustomKeyStores": [] });
        assert_eq!(Value::from(replies[2].result.clone().unwrap()), no_stores);
        expected.extend(asks.iter().map(|_| Attempt::granted(WALLET_ARN, identity.access_key_id)));
    }
    assert_eq!(service.attempts(), expected);
}

#[test]
fn boto3_may_list_whatever_denies_it_random_bytes() {
    may_list_whatever_denies_it_random_bytes(Party::Boto3);
}

#[test]
fn javascript_may_list_whatever_denies_it_random_bytes() {
    may_list_whatever_denies_it_random_bytes(Party::JavaScript);
}

#[test]
fn cli_may_list_whatever_denies_it_random_bytes() {
    may_list_whatever_denies_it_random_bytes(Party::Cli);
}

#[test]
fn javascript_v2_may_list_whatever_denies_it_random_bytes() {
    may_list_whatever_denies_it_random_bytes(Party::JavaScriptV2);
}

#[test]
fn aws4fetch_may_list_whatever_denies_it_random_bytes() {
    may_list_whatever_denies_it_random_bytes(Party::Aws4fetch);
}

fn may_list_whatever_denies_it_random_bytes(party: Party) {
    let service = Guarded::start();
    for identity in ALLOWED_TO_LIST {
        let reply = party.ask(&identity, service.endpoint_url(), &[Ask::List]).remove(0);
        assert_eq!(reply.statuses, [200], "{identity:?}: {reply:?}");
    }
}
