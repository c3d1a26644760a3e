//! Tests that clients with valid credentials and permission succeed.

use serde_json::{Value, json};

use super::client::{Call, SigningClient};
use super::sigv4_service::SigV4Service;
use crate::clients::TestKey;
use crate::sigv4::Attempt;
use crate::sigv4::identities::{ALLOWED_TO_LIST, TEMPORARY, WALLET, WALLET_ARN};

#[test]
fn boto3_receives_bytes_with_valid_credentials() {
    receives_bytes_with_valid_credentials(SigningClient::Boto3);
}

#[test]
fn boto3_signing_date_header_receives_bytes() {
    receives_bytes_with_valid_credentials(SigningClient::Boto3Dated);
}

#[test]
fn javascript_receives_bytes_with_valid_credentials() {
    receives_bytes_with_valid_credentials(SigningClient::JavaScript);
}

#[test]
fn cli_receives_bytes_with_valid_credentials() {
    receives_bytes_with_valid_credentials(SigningClient::Cli);
}

#[test]
fn javascript_v2_receives_bytes_with_valid_credentials() {
    receives_bytes_with_valid_credentials(SigningClient::JavaScriptV2);
}

#[test]
fn aws4fetch_receives_bytes_with_valid_credentials() {
    receives_bytes_with_valid_credentials(SigningClient::Aws4fetch);
}

fn receives_bytes_with_valid_credentials(client: SigningClient) {
    let service = SigV4Service::start();
    let key = TestKey::of_bits(2048);
    let calls = [Call::Plain, Call::Sealed(service.document(&key)), Call::List];
    let mut expected = Vec::new();
    for identity in [WALLET, TEMPORARY] {
        let replies = client.call(&identity, service.endpoint_url(), &calls);
        assert_eq!(replies[0].only_blob("Plaintext").len(), 32);
        assert_eq!(key.open(&replies[1].only_blob("CiphertextForRecipient")).len(), 32);
        assert_eq!(replies[2].statuses, [200]);
        let no_stores = json!({ "CustomKeyStores": [] });
        assert_eq!(Value::from(replies[2].result.clone().unwrap()), no_stores);
        expected.extend(calls.iter().map(|_| Attempt::allowed(WALLET_ARN, identity.access_key_id)));
    }
    assert_eq!(service.attempts(), expected);
}

#[test]
fn boto3_may_list_stores_when_denied_random_bytes() {
    may_list_stores_when_denied_random_bytes(SigningClient::Boto3);
}

#[test]
fn javascript_may_list_stores_when_denied_random_bytes() {
    may_list_stores_when_denied_random_bytes(SigningClient::JavaScript);
}

#[test]
fn cli_may_list_stores_when_denied_random_bytes() {
    may_list_stores_when_denied_random_bytes(SigningClient::Cli);
}

#[test]
fn javascript_v2_may_list_stores_when_denied_random_bytes() {
    may_list_stores_when_denied_random_bytes(SigningClient::JavaScriptV2);
}

#[test]
fn aws4fetch_may_list_stores_when_denied_random_bytes() {
    may_list_stores_when_denied_random_bytes(SigningClient::Aws4fetch);
}

fn may_list_stores_when_denied_random_bytes(client: SigningClient) {
    let service = SigV4Service::start();
    for identity in ALLOWED_TO_LIST {
        let reply = client.call(&identity, service.endpoint_url(), &[Call::List]).remove(0);
        assert_eq!(reply.statuses, [200], "{identity:?}: {reply:?}");
    }
}
