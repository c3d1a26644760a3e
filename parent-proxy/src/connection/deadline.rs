//! The deadlines of a connection.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::close_reason::CloseReason;
use crate::drain::MAX_IDLE_WHILE_DRAINING;
use crate::pump::Pump;
use crate::timeouts::Timeouts;
use crate::upstream::ClosePolicy;

/// The state of the upstream, as far as it concerns a connection.
#[derive(Default)]
pub(super) struct UpstreamState {
    /// Whether the connection is to end once it is quiet. One that has not ended yet is kept where the
    /// upstream is restored, or active again.
    pub(super) is_draining: bool,
    unresponsive_since: Option<Instant>,
}

impl UpstreamState {
    /// Records what health checks and the configuration say of the upstream.
    pub(super) fn update(&mut self, policy: ClosePolicy) {
        self.is_draining = policy != ClosePolicy::KeepOpen;
        self.unresponsive_since = match policy {
            ClosePolicy::Unresponsive => self.unresponsive_since.or(Some(Instant::now())),
            ClosePolicy::KeepOpen | ClosePolicy::WhenIdle => None,
        };
    }
}

/// Returns the time at which the connection ends if no byte comes before that, and the reason.
pub(super) fn deadline<C, U>(
    pump: &Pump<'_, C, U>,
    timeouts: Timeouts,
    upstream: &UpstreamState,
) -> (Instant, CloseReason)
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let idle_after = |limit| (add_saturating(pump.last_activity(), limit), CloseReason::Idle);
    let until_idle =
        match (pump.awaits_response(), upstream.is_draining, upstream.unresponsive_since) {
            // Nothing here parses requests. That the client spoke last is what tells a request in flight.
            (true, _, Some(since)) => {
                let since = since.max(pump.last_activity());
                let unresponsive =
                    (add_saturating(since, timeouts.unresponsive), CloseReason::Unresponsive);
                earlier(unresponsive, idle_after(timeouts.idle))
            }
            (false, true, _) => idle_after(timeouts.idle.min(MAX_IDLE_WHILE_DRAINING)),
            _ => idle_after(timeouts.idle),
        };
    match pump.upstream_ended() {
        Some(ended) => earlier(
            (add_saturating(ended, timeouts.linger), CloseReason::UpstreamClosed),
            until_idle,
        ),
        None => until_idle,
    }
}

fn earlier(one: (Instant, CloseReason), other: (Instant, CloseReason)) -> (Instant, CloseReason) {
    if one.0 <= other.0 { one } else { other }
}

/// Returns the end of `limit` from `start` on.
pub(super) fn add_saturating(start: Instant, limit: Duration) -> Instant {
    // A limit past what the clock can express is none.
    const DECADES: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    start + limit.min(DECADES)
}
