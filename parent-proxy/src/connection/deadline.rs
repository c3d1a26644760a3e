//! The deadlines of a connection.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::end::End;
use crate::pump::Pump;
use crate::timeouts::Timeouts;
use crate::upstream::Closing;

/// While draining, a connection between two requests may be quiet for this long. Long enough for a
/// client that has just been answered to send its next request; a keep-alive client at rest must
/// not hold up the end.
pub(super) const QUIET_WHILE_DRAINING: Duration = Duration::from_secs(1);

/// The state of the upstream, as far as it concerns a connection.
#[derive(Default)]
pub(super) struct Notice {
    /// Whether the connection is to end once it is quiet. One that has not ended yet is kept where the
    /// upstream is restored, or active again.
    pub(super) drains: bool,
    unresponsive_since: Option<Instant>,
}

impl Notice {
    /// Records what health checks and the configuration say of the upstream.
    pub(super) fn take(&mut self, closing: Closing) {
        self.drains = closing != Closing::No;
        self.unresponsive_since = match closing {
            Closing::Unresponsive => self.unresponsive_since.or(Some(Instant::now())),
            Closing::No | Closing::WhenQuiet => None,
        };
    }
}

/// Returns the time at which the connection ends if no byte comes before that, and the reason.
pub(super) fn deadline<C, U>(
    pump: &Pump<'_, C, U>,
    timeouts: Timeouts,
    upstream: &Notice,
) -> (Instant, End)
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let quiet_after = |limit| (after(pump.last_activity(), limit), End::Quiet);
    let until_quiet = match (pump.awaits_answer(), upstream.drains, upstream.unresponsive_since) {
        // Nothing here parses requests. That the client spoke last is what tells a request in flight.
        (true, _, Some(since)) => {
            let since = since.max(pump.last_activity());
            let unresponsive = (after(since, timeouts.unresponsive), End::Unresponsive);
            earlier(unresponsive, quiet_after(timeouts.idle))
        }
        (false, true, _) => quiet_after(timeouts.idle.min(QUIET_WHILE_DRAINING)),
        _ => quiet_after(timeouts.idle),
    };
    match pump.upstream_ended() {
        Some(ended) => earlier((after(ended, timeouts.linger), End::Left), until_quiet),
        None => until_quiet,
    }
}

fn earlier(one: (Instant, End), other: (Instant, End)) -> (Instant, End) {
    if one.0 <= other.0 { one } else { other }
}

/// Returns the end of `limit` from `start` on.
pub(super) fn after(start: Instant, limit: Duration) -> Instant {
    // A limit past what the clock can express is none.
    const DECADES: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    start + limit.min(DECADES)
}
