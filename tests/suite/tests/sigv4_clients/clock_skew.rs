//! Tests of clients with a wrong clock. A signature is valid for five minutes. Version 3 of the SDK
//! for JavaScript uses the Date header of the error to correct its clock, and succeeds. boto3, the
//! CLI, version 2 of the SDK for JavaScript and aws4fetch fail.

use super::client::{Call, SigningClient};
use super::sigv4_service::SigV4Service;
use crate::sigv4::identities::{Identity, MISMATCH, WALLET, WALLET_ARN};
use crate::sigv4::{Attempt, ClientClock, ClockSkew};

#[test]
fn boto3_fails_when_its_clock_is_skewed() {
    fails_when_its_clock_is_skewed(SigningClient::Boto3);
}

#[test]
fn cli_fails_when_its_clock_is_skewed() {
    fails_when_its_clock_is_skewed(SigningClient::Cli);
}

#[test]
fn javascript_v2_fails_when_its_clock_is_skewed() {
    fails_when_its_clock_is_skewed(SigningClient::JavaScriptV2);
}

#[test]
fn aws4fetch_fails_when_its_clock_is_skewed() {
    fails_when_its_clock_is_skewed(SigningClient::Aws4fetch);
}

fn fails_when_its_clock_is_skewed(client: SigningClient) {
    for client_clock in [ClientClock::Behind, ClientClock::Ahead] {
        let (service, skew) = skewed(client_clock);
        let reply = client.call(&WALLET, service.endpoint_url(), &[Call::Plain]).remove(0);
        // Version 2 of the SDK for JavaScript retries after an expired signature, but does not
        // correct its clock.
        let expected = match (client, client_clock) {
            (SigningClient::JavaScriptV2, ClientClock::Behind) => 2,
            _ => 1,
        };
        assert_eq!(reply.statuses, vec![400; expected], "{client_clock:?}: {reply:?}");
        let attempts = service.attempts();
        assert_eq!(attempts.len(), expected);
        attempts.iter().for_each(|attempt| skew.assert_rejected(attempt));
        let reported = Attempt { authenticated: None, error: reply.result.err() };
        assert_eq!(attempts.last(), Some(&reported));
    }
}

#[test]
fn javascript_corrects_its_clock_from_the_date_header() {
    for client_clock in [ClientClock::Behind, ClientClock::Ahead] {
        let (service, skew) = skewed(client_clock);
        let calls = [Call::Plain, Call::Plain, Call::List];
        let replies = SigningClient::JavaScript.call(&WALLET, service.endpoint_url(), &calls);
        let statuses: Vec<_> = replies.iter().map(|reply| reply.statuses.clone()).collect();
        assert_eq!(statuses, [vec![400, 200], vec![200], vec![200]], "{client_clock:?}");
        let attempts = service.attempts();
        skew.assert_rejected(&attempts[0]);
        let allowed = || Attempt::allowed(WALLET_ARN, WALLET.access_key_id);
        assert_eq!(attempts[1..], [allowed(), allowed(), allowed()]);
    }
}

#[test]
fn javascript_with_wrong_secret_fails_after_clock_correction() {
    let (service, skew) = skewed(ClientClock::Behind);
    let identity = Identity { secret_access_key: "not/the/secret", ..WALLET };
    let reply =
        SigningClient::JavaScript.call(&identity, service.endpoint_url(), &[Call::Plain]).remove(0);
    assert_eq!(reply.statuses, [400, 400]);
    let mismatch = (MISMATCH.0.to_owned(), MISMATCH.1.to_owned());
    assert_eq!(reply.result.unwrap_err(), mismatch);
    let attempts = service.attempts();
    skew.assert_rejected(&attempts[0]);
    assert_eq!(attempts[1..], [Attempt { authenticated: None, error: Some(mismatch) }]);
}

fn skewed(client_clock: ClientClock) -> (SigV4Service, ClockSkew) {
    let skew = ClockSkew::new(client_clock);
    (SigV4Service::start_at(move || skew.now), skew)
}
