//! A service whose clock is fixed, far from the clocks of its clients.

use attested_recipient::UnixMillis;
use enclave::clock::{Clock, SystemClock};

use super::audit_trail::Attempt;

const WINDOW_SECS: u64 = 300;
/// The difference between the clocks. It is larger than the signature window and the duration of a
/// test together.
const SKEW_SECS: u64 = 600;

/// The direction of the difference: the clients' clock is ahead of the service's clock, or behind
/// it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ClientClock {
    Behind,
    Ahead,
}

/// The clocks of the service and of the clients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClockSkew {
    client_clock: ClientClock,
    /// The constant time at the service.
    pub(crate) now: UnixMillis,
    /// The time at the clients when the test began.
    start: UnixMillis,
}

impl ClockSkew {
    /// Creates a skew that starts at the current time.
    pub(crate) fn new(client_clock: ClientClock) -> Self {
        let start = SystemClock.now();
        let now = match client_clock {
            ClientClock::Behind => start.plus_secs(SKEW_SECS),
            ClientClock::Ahead => start.minus_secs(SKEW_SECS),
        };
        Self { client_clock, now, start }
    }

    /// Asserts that an attempt was unauthenticated and was rejected because of its date. Asserts
    /// that the message contains the right dates.
    pub(crate) fn assert_rejected(&self, attempt: &Attempt) {
        let Attempt { authenticated: None, error: Some((name, message)) } = attempt else {
            panic!("{attempt:?}");
        };
        assert_eq!(name, "InvalidSignatureException");
        // The comparison is in seconds, because the time in a signature has whole seconds.
        let signed_at = UnixMillis::from_basic_iso8601(self.signed_at(message)).unwrap().as_secs();
        let test = self.start.as_secs()..=SystemClock.now().as_secs();
        assert!(test.contains(&signed_at), "{message}");
    }

    /// Returns the X-Amz-Date in KMS's message and checks all other dates of the message.
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
        date.unwrap_or_else(|| panic!("{message}\nexpected: {before}...{after}"))
    }
}
