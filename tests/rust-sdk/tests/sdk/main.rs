//! Tests of the AWS SDK for Rust with a service that checks signatures and policies. The tests use
//! the identities and expected results of `tests/suite/sigv4`, which apply to every client.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic fails the test"
)]

mod sdk;
#[path = "../../../suite/sigv4/mod.rs"]
mod sigv4;

use attested_recipient::{Document, RecipientKey, UnixMillis};
use enclave::clock::{Clock, SystemClock};

use crate::sdk::{Call, CallOutcome, Sdk};
use crate::sigv4::identities::{
    ALLOWED_TO_LIST, Identity, MISMATCH, Operation, REJECTED_CASES, RejectedCase, TEMPORARY,
    WALLET, WALLET_ARN,
};
use crate::sigv4::{Attempt, AuditTrail, ClientClock, ClockSkew};

/// A public test key.
const KEY: &str = include_str!("../../../suite/keys/rsa-2048.pem");

fn simulator(
    now: impl Fn() -> UnixMillis + Send + Sync + 'static,
) -> (attested_recipient::Simulator, AuditTrail) {
    sigv4::simulator(
        concat!(env!("CARGO_MANIFEST_DIR"), "/../suite/sigv4/config.toml").as_ref(),
        now,
    )
}

#[test]
fn accepts_valid_secret_and_session_token() {
    let (simulator, trail) = simulator(|| SystemClock.now());
    let key = RecipientKey::from_pem(KEY).unwrap();
    let document = simulator.document(&Document::for_key(&key)).unwrap();
    let mut expected = Vec::new();
    for identity in [WALLET, TEMPORARY] {
        let sdk = Sdk::new(&identity, simulator.endpoint_url());
        let plain = sdk.call(&Call::Plain);
        assert_eq!(plain.statuses, [200]);
        let output = plain.result.unwrap();
        assert_eq!(output.plaintext.unwrap().len(), 32);
        assert_eq!(output.ciphertext_for_recipient, None);

        let sealed = sdk.call(&Call::Sealed(document.clone()));
        assert_eq!(sealed.statuses, [200]);
        let output = sealed.result.unwrap();
        assert_eq!(output.plaintext, None);
        assert_eq!(key.open(&output.ciphertext_for_recipient.unwrap()).unwrap().len(), 32);

        assert_lists_no_key_stores(sdk.call(&Call::List));
        expected.extend([(); 3].map(|()| Attempt::allowed(WALLET_ARN, identity.access_key_id)));
    }
    drop(simulator);
    assert_eq!(trail.attempts(), expected);
}

#[test]
fn lists_key_stores_without_access_to_random_bytes() {
    let (simulator, _) = simulator(|| SystemClock.now());
    for identity in ALLOWED_TO_LIST {
        assert_lists_no_key_stores(Sdk::new(&identity, simulator.endpoint_url()).call(&Call::List));
    }
}

fn assert_lists_no_key_stores(outcome: CallOutcome) {
    assert_eq!(outcome.statuses, [200]);
    assert_eq!(outcome.result.unwrap().custom_key_stores, Some(0));
}

#[test]
fn kms_errors_are_not_retried() {
    let (simulator, trail) = simulator(|| SystemClock.now());
    let key = RecipientKey::from_pem(KEY).unwrap();
    let document = simulator.document(&Document::for_key(&key)).unwrap();
    let mut expected = Vec::new();
    for RejectedCase { reason, identity, operation, error, authenticated } in REJECTED_CASES {
        let sdk = Sdk::new(&identity, simulator.endpoint_url());
        let calls = match operation {
            // The service checks the signature before the Recipient, so a Recipient does not change
            // the error.
            Operation::GenerateRandom => vec![Call::Plain, Call::Sealed(document.clone())],
            Operation::DescribeCustomKeyStores => vec![Call::List],
        };
        for call in calls {
            let outcome = sdk.call(&call);
            assert_eq!(outcome.statuses, [400], "{reason}: {outcome:?}");
            assert_eq!(outcome.result.unwrap_err(), owned(error), "{reason}");
            let authenticated = authenticated.map(|arn| owned((arn, identity.access_key_id)));
            expected.push(Attempt { authenticated, error: Some(owned(error)) });
        }
    }
    drop(simulator);
    assert_eq!(trail.attempts(), expected);
}

#[test]
fn corrects_clock_skew_after_one_rejection() {
    for client_clock in [ClientClock::Behind, ClientClock::Ahead] {
        let skew = ClockSkew::new(client_clock);
        let (simulator, trail) = simulator(move || skew.now);
        let sdk = Sdk::new(&WALLET, simulator.endpoint_url());
        let statuses = [Call::Plain, Call::Plain, Call::List].map(|call| sdk.call(&call).statuses);
        assert_eq!(statuses, [vec![400, 200], vec![200], vec![200]], "{client_clock:?}");
        drop(simulator);
        let attempts = trail.attempts();
        skew.assert_rejected(&attempts[0]);
        let allowed = || Attempt::allowed(WALLET_ARN, WALLET.access_key_id);
        assert_eq!(attempts[1..], [allowed(), allowed(), allowed()]);
    }
}

#[test]
fn rejects_wrong_secret_after_clock_correction() {
    let skew = ClockSkew::new(ClientClock::Behind);
    let (simulator, trail) = simulator(move || skew.now);
    let identity = Identity { secret_access_key: "not/the/secret", ..WALLET };
    let outcome = Sdk::new(&identity, simulator.endpoint_url()).call(&Call::Plain);
    assert_eq!(outcome.statuses, [400, 400]);
    assert_eq!(outcome.result.unwrap_err(), owned(MISMATCH));
    drop(simulator);
    let attempts = trail.attempts();
    skew.assert_rejected(&attempts[0]);
    assert_eq!(attempts[1..], [Attempt { authenticated: None, error: Some(owned(MISMATCH)) }]);
}

#[test]
fn reports_both_dates_when_retries_are_off() {
    for client_clock in [ClientClock::Behind, ClientClock::Ahead] {
        let skew = ClockSkew::new(client_clock);
        let (simulator, trail) = simulator(move || skew.now);
        let sdk = Sdk::with_one_attempt(&WALLET, simulator.endpoint_url());
        let outcome = sdk.call(&Call::Plain);
        assert_eq!(outcome.statuses, [400], "{client_clock:?}");
        let refused = Attempt { authenticated: None, error: outcome.result.err() };
        skew.assert_rejected(&refused);
        drop(simulator);
        assert_eq!(trail.attempts(), [refused]);
    }
}

fn owned((one, other): (&str, &str)) -> (String, String) {
    (one.to_owned(), other.to_owned())
}
