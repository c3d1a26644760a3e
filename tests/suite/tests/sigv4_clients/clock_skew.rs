//! Signatures are good for five minutes. What a client does about a clock that is wrong is its own
//! matter: boto3, the CLI, version 2 of the SDK for JavaScript and aws4fetch give up, version 3 of that
//! SDK corrects itself by the Date header.

use super::client::{Ask, Party};
use super::sigv4_service::Guarded;
use crate::sigv4::identities::{Identity, MISMATCH, WALLET, WALLET_ARN};
use crate::sigv4::{Attempt, Clocks, Skew};

#[test]
fn boto3_fails_when_its_clock_is_skewed() {
    fails_when_its_clock_is_skewed(Party::Boto3);
}

#[test]
fn cli_fails_when_its_clock_is_skewed() {
    fails_when_its_clock_is_skewed(Party::Cli);
}

#[test]
fn javascript_v2_fails_when_its_clock_is_skewed() {
    fails_when_its_clock_is_skewed(Party::JavaScriptV2);
}

#[test]
fn aws4fetch_fails_when_its_clock_is_skewed() {
    fails_when_its_clock_is_skewed(Party::Aws4fetch);
}

fn fails_when_its_clock_is_skewed(party: Party) {
    for clocks in [Clocks::Behind, Clocks::Ahead] {
        let (service, skew) = skewed(clocks);
        let reply = party.ask(&WALLET, service.endpoint_url(), &[Ask::Plain]).remove(0);
        // Version 2 of the SDK for JavaScript tries again when it is told that its signature has
        // expired, by the same clock.
        let expected = match (party, clocks) {
            (Party::JavaScriptV2, Clocks::Behind) => 2,
            _ => 1,
        };
        assert_eq!(reply.statuses, vec![400; expected], "{clocks:?}: {reply:?}");
        let attempts = service.attempts();
        assert_eq!(attempts.len(), expected);
        attempts.iter().for_each(|attempt| skew.assert_refused(attempt));
        let told = Attempt { proven: None, error: reply.result.err() };
        assert_eq!(attempts.last(), Some(&told));
    }
}

#[test]
fn javascript_corrects_its_clock_from_the_date_header() {
    for clocks in [Clocks::Behind, Clocks::Ahead] {
        let (service, skew) = skewed(clocks);
        let asks = [Ask::Plain, Ask::Plain, Ask::List];
        let replies = Party::JavaScript.ask(&WALLET, service.endpoint_url(), &asks);
        let statuses: Vec<_> = replies.iter().map(|reply| reply.statuses.clone()).collect();
        assert_eq!(statuses, [vec![400, 200], vec![200], vec![200]], "{clocks:?}");
        let attempts = service.attempts();
        skew.assert_refused(&attempts[0]);
        let granted = || Attempt::granted(WALLET_ARN, WALLET.access_key_id);
        assert_eq!(attempts[1..], [granted(), granted(), granted()]);
    }
}

#[test]
fn javascript_with_wrong_secret_fails_after_clock_correction() {
    let (service, skew) = skewed(Clocks::Behind);
    let identity = Identity { secret_access_key: "not/the/secret", ..WALLET };
    let reply = Party::JavaScript.ask(&identity, service.endpoint_url(), &[Ask::Plain]).remove(0);
    assert_eq!(reply.statuses, [400, 400]);
    let mismatch = (MISMATCH.0.to_owned(), MISMATCH.1.to_owned());
    assert_eq!(reply.result.unwrap_err(), mismatch);
    let attempts = service.attempts();
    skew.assert_refused(&attempts[0]);
    assert_eq!(attempts[1..], [Attempt { proven: None, error: Some(mismatch) }]);
}

fn skewed(clocks: Clocks) -> (Guarded, Skew) {
    let skew = Skew::new(clocks);
    (Guarded::start_at(move || skew.now), skew)
}
