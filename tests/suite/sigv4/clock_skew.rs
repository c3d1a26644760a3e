//! A service whose clock stands still, far from its clients'.

use attested_recipient::UnixMillis;
use enclave::clock::{Clock, SystemClock};

use super::audit_trail::Attempt;

const WINDOW_SECS: u64 = 300;
/// Further than the window and a test's own time reach.
const SKEW_SECS: u64 = 600;

/// On which side of the service's clock the clients' is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ClientClock {
    Behind,
    Ahead,
}

/// What the clocks show.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClockSkew {
    client_clock: ClientClock,
    /// At the service, all the time.
    pub(crate) now: UnixMillis,
    /// When the test began, for everybody else.
    begun: UnixMillis,
}

impl ClockSkew {
    /// From now on.
    pub(crate) fn new(client_clock: ClientClock) -> Self {
        let begun = SystemClock.now();
        let now = match client_clock {
            ClientClock::Behind => begun.plus_secs(SKEW_SECS),
            ClientClock::Ahead => begun.minus_secs(SKEW_SECS),
        };
        Self { client_clock, now, begun }
    }

    /// Asserts that an attempt proved nobody, and was refused for its date, with all dates.
    pub(crate) fn assert_refused(&self, attempt: &Attempt) {
        let Attempt { authenticated: None, error: Some((name, message)) } = attempt else {
            panic!("{attempt:?}");
        };
        assert_eq!(name, "InvalidSignatureException");
        // To the second, as the client's own clock had it.
        let signed_at = UnixMillis::from_basic_iso8601(self.signed_at(message)).unwrap().as_secs();
        let test = self.begun.as_secs()..=SystemClock.now().as_secs();
        assert!(test.contains(&signed_at), "{message}");
    }

    /// X-Amz-Date, which KMS's message tells; all its other dates are known.
    fn signed_at<'a>(&self, message: &'a str) -> &'a str {
        let now = self.now.basic_iso8601();
        let earliest = self.now.minus_secs(WINDOW_SECS).basic_iso8601();
        let latest = self.now.plus_secs(WINDOW_SECS).basic_iso8601();
        let (before, after) = match self.client_clock {
            ClientClock::Behind => {
                ("Signature expired: ", format!(" is now earlier than {earliest} ({now} - 5 min.)"))
            }
            ClientClock::Ahead => (
                "Signature not yet current: ",
                format!(" is still later than {latest} ({now} + 5 min.)"),
            ),
        };
        let date = message.strip_prefix(before).and_then(|rest| rest.strip_suffix(&*after));
        date.unwrap_or_else(|| panic!("{message}\nwant: {before}...{after}"))
    }
}
