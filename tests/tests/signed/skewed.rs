//! Signatures are of five minutes. What a client does about a clock that is wrong is its own
//! matter: boto3 and the CLI give up, the SDK for JavaScript corrects itself by the Date header.

use attested_recipient::UnixMillis;
use enclave::clock::{Clock, SystemClock};

use super::guarded::{Attempt, Guarded};
use super::party::{Ask, Party};
use crate::table::{Identity, MISMATCH, WALLET, WALLET_ARN};

const WINDOW_SECS: u64 = 300;
/// Further than the window and this test's own time reach.
const SKEW_SECS: u64 = 600;

/// On which side of the service's clock a client's is.
#[derive(Clone, Copy, Debug)]
enum Clocks {
    Behind,
    Ahead,
}

/// A service whose clock stands still, far from everybody else's.
struct Skewed {
    service: Guarded,
    clocks: Clocks,
    now: UnixMillis,
    begun: UnixMillis,
}

#[test]
fn boto3_gives_up_when_its_clock_is_behind_or_ahead() {
    gives_up_when_its_clock_is_behind_or_ahead(Party::Boto3);
}

#[test]
fn cli_gives_up_when_its_clock_is_behind_or_ahead() {
    gives_up_when_its_clock_is_behind_or_ahead(Party::Cli);
}

fn gives_up_when_its_clock_is_behind_or_ahead(party: Party) {
    for clocks in [Clocks::Behind, Clocks::Ahead] {
        let skewed = Skewed::start(clocks);
        let reply = party.ask(&WALLET, skewed.service.endpoint_url(), &[Ask::Plain]).remove(0);
        assert_eq!(reply.statuses, [400], "{clocks:?}: {reply:?}");
        let error = reply.result.unwrap_err();
        let attempts = skewed.attempts_after_the_first();
        assert_eq!(attempts.first_error, error);
        assert_eq!(attempts.others, []);
    }
}

#[test]
fn javascript_sets_its_clock_by_a_refusal_and_is_served_from_then_on() {
    for clocks in [Clocks::Behind, Clocks::Ahead] {
        let skewed = Skewed::start(clocks);
        let asks = [Ask::Plain, Ask::Plain, Ask::List];
        let replies = Party::JavaScript.ask(&WALLET, skewed.service.endpoint_url(), &asks);
        let statuses: Vec<_> = replies.iter().map(|reply| reply.statuses.clone()).collect();
        assert_eq!(statuses, [vec![400, 200], vec![200], vec![200]], "{clocks:?}");
        let granted = || Attempt::granted(WALLET_ARN, WALLET.access_key_id);
        assert_eq!(skewed.attempts_after_the_first().others, [granted(), granted(), granted()]);
    }
}

#[test]
fn javascript_gains_nothing_by_the_right_time_with_another_secret() {
    let skewed = Skewed::start(Clocks::Behind);
    let identity = Identity { secret_access_key: "not/the/secret", ..WALLET };
    let endpoint_url = skewed.service.endpoint_url();
    let reply = Party::JavaScript.ask(&identity, endpoint_url, &[Ask::Plain]).remove(0);
    assert_eq!(reply.statuses, [400, 400]);
    let mismatch = (MISMATCH.0.to_owned(), MISMATCH.1.to_owned());
    assert_eq!(reply.result.unwrap_err(), mismatch);
    let others = skewed.attempts_after_the_first().others;
    assert_eq!(others, [Attempt { proven: None, error: Some(mismatch) }]);
}

/// Of which the first was refused as it must be.
struct Attempts {
    first_error: (String, String),
    others: Vec<Attempt>,
}

impl Skewed {
    fn start(clocks: Clocks) -> Self {
        let begun = SystemClock.now();
        let now = match clocks {
            Clocks::Behind => begun.plus_secs(SKEW_SECS),
            Clocks::Ahead => begun.minus_secs(SKEW_SECS),
        };
        Self { service: Guarded::start_at(move || now), clocks, now, begun }
    }

    /// Asserts that the first attempt proved nobody, and was refused for its date, with all dates.
    fn attempts_after_the_first(self) -> Attempts {
        let Self { service, clocks, now, begun } = self;
        let ended = SystemClock.now();
        let mut attempts = service.attempts();
        let first = attempts.remove(0);
        assert_eq!(first.proven, None);
        let (name, message) = first.error.unwrap();
        assert_eq!(name, "InvalidSignatureException");
        let signed_at = date_refused_by(&message, clocks, now);
        // To the second, as the client's own clock had it.
        let signed_at = UnixMillis::from_basic_iso8601(signed_at).unwrap().as_secs();
        assert!((begun.as_secs()..=ended.as_secs()).contains(&signed_at), "{message}");
        Attempts { first_error: (name, message), others: attempts }
    }
}

/// X-Amz-Date, of which KMS's message tells; all its other dates are known.
fn date_refused_by(message: &str, clocks: Clocks, now: UnixMillis) -> &str {
    let earliest = now.minus_secs(WINDOW_SECS).basic_iso8601();
    let latest = now.plus_secs(WINDOW_SECS).basic_iso8601();
    let now = now.basic_iso8601();
    let (before, after) = match clocks {
        Clocks::Behind => {
            ("Signature expired: ", format!(" is now earlier than {earliest} ({now} - 5 min.)"))
        }
        Clocks::Ahead => (
            "Signature not yet current: ",
            format!(" is still later than {latest} ({now} + 5 min.)"),
        ),
    };
    let date = message.strip_prefix(before).and_then(|rest| rest.strip_suffix(&*after));
    date.unwrap_or_else(|| panic!("{message}\nwant: {before}...{after}"))
}
