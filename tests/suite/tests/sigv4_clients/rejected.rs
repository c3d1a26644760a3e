//! Tests that clients with invalid credentials or without permission receive the error of KMS after
//! one attempt.

use super::client::{Call, SigningClient};
use super::sigv4_service::SigV4Service;
use crate::clients::TestKey;
use crate::sigv4::Attempt;
use crate::sigv4::identities::{Operation, REJECTED_CASES, RejectedCase};

#[test]
fn boto3_receives_the_kms_error_after_one_attempt() {
    receives_the_kms_error_after_one_attempt(SigningClient::Boto3);
}

#[test]
fn javascript_receives_the_kms_error_after_one_attempt() {
    receives_the_kms_error_after_one_attempt(SigningClient::JavaScript);
}

#[test]
fn cli_receives_the_kms_error_after_one_attempt() {
    receives_the_kms_error_after_one_attempt(SigningClient::Cli);
}

#[test]
fn javascript_v2_receives_the_kms_error() {
    receives_the_kms_error_after_one_attempt(SigningClient::JavaScriptV2);
}

#[test]
fn aws4fetch_receives_the_kms_error_after_one_attempt() {
    receives_the_kms_error_after_one_attempt(SigningClient::Aws4fetch);
}

fn receives_the_kms_error_after_one_attempt(client: SigningClient) {
    let service = SigV4Service::start();
    let document = service.document(&TestKey::of_bits(2048));
    let mut expected = Vec::new();
    for case in REJECTED_CASES {
        let RejectedCase { reason, identity, operation, .. } = case;
        // The service checks the signature and the policies before the Recipient.
        let mut calls = vec![operation.into()];
        if operation == Operation::GenerateRandom && client != SigningClient::Cli {
            calls.push(Call::Sealed(document.clone()));
        }
        for reply in client.call(&identity, service.endpoint_url(), &calls) {
            let attempts = attempts(client, case.error.0);
            assert_eq!(reply.statuses, vec![400; attempts], "{reason}: {reply:?}");
            assert_eq!(reply.result.unwrap_err(), owned(case.error), "{reason}");
            let attempt = || Attempt {
                authenticated: case.authenticated.map(|arn| owned((arn, identity.access_key_id))),
                error: Some(owned(case.error)),
            };
            expected.extend((0..attempts).map(|_| attempt()));
        }
    }
    assert_eq!(service.attempts(), expected);
}

/// Returns the number of attempts. Only version 2 of the SDK for JavaScript refreshes expired
/// credentials and retries.
fn attempts(client: SigningClient, error: &str) -> usize {
    match (client, error) {
        (SigningClient::JavaScriptV2, "ExpiredTokenException") => 2,
        _ => 1,
    }
}

fn owned((one, other): (&str, &str)) -> (String, String) {
    (one.to_owned(), other.to_owned())
}
