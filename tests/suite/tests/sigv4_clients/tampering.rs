//! Tests that changes to signed requests are detected, including the removal of a Recipient.

use std::sync::atomic::{AtomicUsize, Ordering};

use attested_recipient::ClientError;
use serde_json::{Value, json};

use super::client::{Call, SigningClient};
use super::sigv4_service::SigV4Service;
use crate::clients::{Message, RelayedService, TamperingProxy, TestKey};
use crate::sigv4::Attempt;
use crate::sigv4::identities::{Identity, MISMATCH, TEMPORARY, WALLET, WALLET_ARN};

/// The description of a change to a sealed request, and the change.
type Tampering = (&'static str, fn(&mut Message));

/// If a client does not sign Content-Type, the signature does not detect a change of this header:
/// see [`rejects_changed_content_type_that_was_not_signed`].
const CONTENT_TYPE_CHANGES: &str = "a Content-Type parameter is added";

const TAMPERINGS: [Tampering; 9] = [
    ("the Recipient is dropped", drop_recipient),
    ("NumberOfBytes is changed", |request| {
        change_json(request, |body| body["NumberOfBytes"] = json!(31));
    }),
    ("the operation is changed", |request| {
        assert_eq!(request.header("x-amz-target"), Some("TrentService.GenerateRandom"));
        request.set_header("x-amz-target", "TrentService.DescribeCustomKeyStores");
    }),
    ("a member is added", |request| {
        change_json(request, |body| body["Unknown"] = json!(true));
    }),
    ("a space is added at the end", |request| {
        let mut body = request.body.clone();
        body.push(b' ');
        request.set_body(body);
    }),
    (CONTENT_TYPE_CHANGES, |request| {
        request.set_header("content-type", "application/x-amz-json-1.1; charset=utf-8");
    }),
    ("the host is changed", |request| request.set_header("host", "kms.eu-west-1.example")),
    ("the date is changed by a second", change_second),
    ("the body is dropped", |request| request.set_body(Vec::new())),
];

#[test]
fn boto3_is_rejected_when_its_request_is_changed() {
    is_rejected_when_its_request_is_changed(SigningClient::Boto3);
}

#[test]
fn javascript_is_rejected_when_its_request_is_changed() {
    is_rejected_when_its_request_is_changed(SigningClient::JavaScript);
}

#[test]
fn javascript_v2_is_rejected_when_its_request_is_changed() {
    is_rejected_when_its_request_is_changed(SigningClient::JavaScriptV2);
}

#[test]
fn aws4fetch_is_rejected_when_its_request_is_changed() {
    is_rejected_when_its_request_is_changed(SigningClient::Aws4fetch);
}

fn is_rejected_when_its_request_is_changed(client: SigningClient) {
    let is_covered =
        |(name, _): &Tampering| *name != CONTENT_TYPE_CHANGES || client.signs_content_type();
    let changes = TAMPERINGS.into_iter().filter(is_covered);
    let changes = changes.map(|(tampering, change)| (tampering.to_owned(), change));
    assert_rejected(client, &WALLET, changes.collect());
}

#[test]
fn boto3_is_rejected_when_a_bit_of_its_body_is_flipped() {
    is_rejected_when_a_bit_of_its_body_is_flipped(SigningClient::Boto3);
}

#[test]
fn javascript_is_rejected_when_a_bit_of_its_body_is_flipped() {
    is_rejected_when_a_bit_of_its_body_is_flipped(SigningClient::JavaScript);
}

#[test]
fn javascript_v2_is_rejected_when_a_bit_of_its_body_is_flipped() {
    is_rejected_when_a_bit_of_its_body_is_flipped(SigningClient::JavaScriptV2);
}

#[test]
fn aws4fetch_is_rejected_when_a_bit_of_its_body_is_flipped() {
    is_rejected_when_a_bit_of_its_body_is_flipped(SigningClient::Aws4fetch);
}

fn is_rejected_when_a_bit_of_its_body_is_flipped(client: SigningClient) {
    /// Number of tests that flip a bit of the body. Their positions are distributed over the whole
    /// body.
    const BITS: usize = 64;
    let flip = |n: usize| {
        let flip = move |request: &mut Message| {
            let bit = n * (8 * request.body.len() - 1) / (BITS - 1);
            request.body[bit / 8] ^= 1 << (bit % 8);
        };
        (format!("bit {n} of {BITS}"), flip)
    };
    assert_rejected(client, &TEMPORARY, (0..BITS).map(flip).collect());
}

/// Makes one call per change, all in one process. Each call must fail with the error for an invalid
/// signature.
fn assert_rejected<C>(client: SigningClient, identity: &Identity, changes: Vec<(String, C)>)
where
    C: Fn(&mut Message) + Send + Sync + 'static,
{
    let service = SigV4Service::start();
    let call = Call::Sealed(service.document(&TestKey::of_bits(2048)));
    let (names, changes): (Vec<_>, Vec<_>) = changes.into_iter().unzip();
    let next = AtomicUsize::new(0);
    let tamperer = TamperingProxy::in_front_of(service.endpoint_url(), move |request| {
        let unchanged = request.clone();
        changes[next.fetch_add(1, Ordering::Relaxed)](request);
        assert_ne!(*request, unchanged);
    });
    let calls = vec![call; names.len()];
    let replies = client.call(identity, tamperer.endpoint_url(), &calls);
    for (reply, name) in replies.into_iter().zip(&names) {
        assert_eq!(reply.statuses, [400], "{name}: {reply:?}");
        assert_eq!(reply.result.unwrap_err(), mismatch(), "{name}");
    }
    let rejected = || Attempt { authenticated: None, error: Some(mismatch()) };
    assert_eq!(service.attempts(), names.iter().map(|_| rejected()).collect::<Vec<_>>());
}

/// Changes a Content-Type that is not signed, so the signature stays valid. The service rejects
/// every other media type. An attacker gains nothing, because the attacker can also drop the
/// request.
#[test]
fn rejects_changed_content_type_that_was_not_signed() {
    for client in [SigningClient::JavaScriptV2, SigningClient::Aws4fetch] {
        let service = SigV4Service::start();
        let call = Call::Sealed(service.document(&TestKey::of_bits(2048)));
        let wire = TamperingProxy::in_front_of(service.endpoint_url(), |request| {
            request.set_header("content-type", "application/x-www-form-urlencoded");
        });
        let reply = client.call(&WALLET, wire.endpoint_url(), &[call]).remove(0);
        let message = "Content-Type must be application/x-amz-json-1.1";
        let rejected = ("ValidationException".to_owned(), message.to_owned());
        assert_eq!(
            (reply.statuses, reply.result),
            (vec![400], Err(rejected.clone())),
            "{client:?}"
        );
        let authenticated = Some((WALLET_ARN.to_owned(), WALLET.access_key_id.to_owned()));
        assert_eq!(service.attempts(), [Attempt { authenticated, error: Some(rejected) }]);
    }
}

#[test]
fn sdks_receive_bytes_through_transparent_proxy() {
    let key = TestKey::of_bits(2048);
    for client in [
        SigningClient::Boto3,
        SigningClient::JavaScript,
        SigningClient::JavaScriptV2,
        SigningClient::Aws4fetch,
    ] {
        let service = SigV4Service::start();
        let call = Call::Sealed(service.document(&key));
        let wire = TamperingProxy::in_front_of(service.endpoint_url(), |_| {});
        for reply in client.call(&WALLET, wire.endpoint_url(), &[call.clone(), call]) {
            assert_eq!(key.open(&reply.only_blob("CiphertextForRecipient")).len(), 32);
        }
        let allowed = || Attempt::allowed(WALLET_ARN, WALLET.access_key_id);
        assert_eq!(service.attempts(), [allowed(), allowed()]);
    }
}

/// Removes a Recipient from a request without a signature. Only the client can detect the removal.
/// SDKs do not detect it, but `attested-recipient` does.
#[test]
fn test_client_rejects_plaintext_after_recipient_is_removed() {
    let service = RelayedService::simulator();
    let document = service.document(&TestKey::of_bits(2048).document());
    let tamperer = TamperingProxy::in_front_of(service.endpoint_url(), drop_recipient);
    for client in [SigningClient::Boto3, SigningClient::JavaScript] {
        let call = Call::Sealed(document.clone());
        let reply = client.call(&WALLET, tamperer.endpoint_url(), &[call]).remove(0);
        assert_eq!(reply.only_blob("Plaintext").len(), 32, "{client:?}");
    }
    let rejected = suite::client(tamperer.endpoint_url()).generate_random_for(32, &document);
    let Err(ClientError::Unverified { error, .. }) = rejected else { panic!("{rejected:?}") };
    assert!(error.to_string().contains("the receipt is of another request"), "{error}");
}

/// Removes the Recipient of a KMS request. Other requests, such as those for the enclave's document, pass unchanged.
fn drop_recipient(request: &mut Message) {
    if !request.head.first().is_some_and(|line| line.starts_with("POST ")) {
        return;
    }
    change_json(request, |body| drop(body.as_object_mut().unwrap().remove("Recipient").unwrap()));
}

fn change_json(request: &mut Message, change: impl FnOnce(&mut Value)) {
    let mut body = serde_json::from_slice(&request.body).unwrap();
    change(&mut body);
    request.set_body(body.to_string().into_bytes());
}

/// Changes only the second, so that the date in the scope stays valid.
fn change_second(request: &mut Message) {
    let date = request.header("x-amz-date").unwrap();
    let (minute, second) = date.strip_suffix('Z').unwrap().split_at("YYYYMMDDTHHMM".len());
    let second = if second == "00" { "01" } else { "00" };
    let date = format!("{minute}{second}Z");
    request.set_header("x-amz-date", &date);
}

fn mismatch() -> (String, String) {
    (MISMATCH.0.to_owned(), MISMATCH.1.to_owned())
}
