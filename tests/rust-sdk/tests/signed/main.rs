//! The AWS SDK for Rust, in front of a service that looks at signatures and policies: the rules of
//! `tests/suite/sigv4` that hold for every client.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a failure here is a test's failure"
)]

mod sdk;
#[path = "../../../suite/sigv4/mod.rs"]
mod sigv4;

use attested_recipient::{Document, RecipientKey, UnixMillis};
use enclave::clock::{Clock, SystemClock};

use crate::sdk::{Ask, Reply, Sdk};
use crate::sigv4::table::{
    ALLOWED_TO_LIST, Identity, MISMATCH, Operation, REFUSED, Refused, TEMPORARY, WALLET, WALLET_ARN,
};
use crate::sigv4::{Attempt, Clocks, Skew, Trail};

/// A key that everybody has.
const KEY: &str = include_str!("../../../suite/keys/rsa-2048.pem");

fn simulator(
    now: impl Fn() -> UnixMillis + Send + Sync + 'static,
) -> (attested_recipient::Simulator, Trail) {
    sigv4::simulator(
        concat!(env!("CARGO_MANIFEST_DIR"), "/../suite/sigv4/config.toml").as_ref(),
        now,
    )
}

#[test]
fn is_served_when_it_signs_with_the_right_secret_and_session_token() {
    let (simulator, trail) = simulator(|| SystemClock.now());
    let key = RecipientKey::from_pem(KEY).unwrap();
    let document = simulator.document(&Document::for_key(&key)).unwrap();
    let mut expected = Vec::new();
    for identity in [WALLET, TEMPORARY] {
        let sdk = Sdk::new(&identity, simulator.endpoint_url());
        let plain = sdk.ask(&Ask::Plain);
        assert_eq!(plain.statuses, [200]);
        let answer = plain.result.unwrap();
        assert_eq!(answer.plaintext.unwrap().len(), 32);
        assert_eq!(answer.ciphertext_for_recipient, None);

        let sealed = sdk.ask(&Ask::Sealed(document.clone()));
        assert_eq!(sealed.statuses, [200]);
        let answer = sealed.result.unwrap();
        assert_eq!(answer.plaintext, None);
        assert_eq!(key.open(&answer.ciphertext_for_recipient.unwrap()).unwrap().len(), 32);

        assert_serves_no_stores(sdk.ask(&Ask::List));
        expected.extend([(); 3].map(|()| Attempt::granted(WALLET_ARN, identity.access_key_id)));
    }
    drop(simulator);
    assert_eq!(trail.attempts(), expected);
}

#[test]
fn may_list_whatever_denies_it_random_bytes() {
    let (simulator, _) = simulator(|| SystemClock.now());
    for identity in ALLOWED_TO_LIST {
        assert_serves_no_stores(Sdk::new(&identity, simulator.endpoint_url()).ask(&Ask::List));
    }
}

fn assert_serves_no_stores(reply: Reply) {
    assert_eq!(reply.statuses, [200]);
    assert_eq!(reply.result.unwrap().custom_key_stores, Some(0));
}

#[test]
fn is_refused_in_the_words_of_kms_after_one_attempt() {
    let (simulator, trail) = simulator(|| SystemClock.now());
    let key = RecipientKey::from_pem(KEY).unwrap();
    let document = simulator.document(&Document::for_key(&key)).unwrap();
    let mut expected = Vec::new();
    for Refused { because, identity, operation, error, proven } in REFUSED {
        let sdk = Sdk::new(&identity, simulator.endpoint_url());
        let asks = match operation {
            // The Recipient is not looked at, so it changes nothing.
            Operation::GenerateRandom => vec![Ask::Plain, Ask::Sealed(document.clone())],
            Operation::DescribeCustomKeyStores => vec![Ask::List],
        };
        for ask in asks {
            let reply = sdk.ask(&ask);
            assert_eq!(reply.statuses, [400], "{because}: {reply:?}");
            assert_eq!(reply.result.unwrap_err(), owned(error), "{because}");
            let proven = proven.map(|arn| owned((arn, identity.access_key_id)));
            expected.push(Attempt { proven, error: Some(owned(error)) });
        }
    }
    drop(simulator);
    assert_eq!(trail.attempts(), expected);
}

#[test]
fn sets_its_clock_by_a_refusal_and_is_served_from_then_on() {
    for clocks in [Clocks::Behind, Clocks::Ahead] {
        let skew = Skew::new(clocks);
        let (simulator, trail) = simulator(move || skew.now);
        let sdk = Sdk::new(&WALLET, simulator.endpoint_url());
        let statuses = [Ask::Plain, Ask::Plain, Ask::List].map(|ask| sdk.ask(&ask).statuses);
        assert_eq!(statuses, [vec![400, 200], vec![200], vec![200]], "{clocks:?}");
        drop(simulator);
        let attempts = trail.attempts();
        skew.assert_refused(&attempts[0]);
        let granted = || Attempt::granted(WALLET_ARN, WALLET.access_key_id);
        assert_eq!(attempts[1..], [granted(), granted(), granted()]);
    }
}

#[test]
fn gains_nothing_by_the_right_time_with_another_secret() {
    let skew = Skew::new(Clocks::Behind);
    let (simulator, trail) = simulator(move || skew.now);
    let identity = Identity { secret_access_key: "not/the/secret", ..WALLET };
    let reply = Sdk::new(&identity, simulator.endpoint_url()).ask(&Ask::Plain);
    assert_eq!(reply.statuses, [400, 400]);
    assert_eq!(reply.result.unwrap_err(), owned(MISMATCH));
    drop(simulator);
    let attempts = trail.attempts();
    skew.assert_refused(&attempts[0]);
    assert_eq!(attempts[1..], [Attempt { proven: None, error: Some(owned(MISMATCH)) }]);
}

#[test]
fn tells_its_user_which_dates_did_not_fit_when_it_may_not_try_again() {
    for clocks in [Clocks::Behind, Clocks::Ahead] {
        let skew = Skew::new(clocks);
        let (simulator, trail) = simulator(move || skew.now);
        let sdk = Sdk::with_one_attempt(&WALLET, simulator.endpoint_url());
        let reply = sdk.ask(&Ask::Plain);
        assert_eq!(reply.statuses, [400], "{clocks:?}");
        let refused = Attempt { proven: None, error: reply.result.err() };
        skew.assert_refused(&refused);
        drop(simulator);
        assert_eq!(trail.attempts(), [refused]);
    }
}

fn owned((one, other): (&str, &str)) -> (String, String) {
    (one.to_owned(), other.to_owned())
}
