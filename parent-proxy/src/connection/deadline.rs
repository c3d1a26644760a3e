//! The deadlines of a connection.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::close_reason::CloseReason;
use crate::drain::MAX_IDLE_WHILE_DRAINING;
use crate::pump::Pump;
use crate::timeouts::Timeouts;
use crate::upstream::ClosePolicy;

/// The state of the upstream that affects the deadlines of a connection.
#[derive(Default)]
pub(super) struct UpstreamState {
    /// True if the connection ends once it is idle. The value becomes false if the upstream becomes ready or
    /// active again.
    pub(super) is_draining: bool,
    /// Time at which health checks found the upstream unresponsive. `None` while the upstream responds.
    unresponsive_since: Option<Instant>,
}

impl UpstreamState {
    /// Records a new close policy of the upstream.
    pub(super) fn update(&mut self, policy: ClosePolicy) {
        self.is_draining = policy != ClosePolicy::KeepOpen;
        self.unresponsive_since = match policy {
            ClosePolicy::WhenIdleOrNoResponse => self.unresponsive_since.or(Some(Instant::now())),
            ClosePolicy::KeepOpen | ClosePolicy::WhenIdle => None,
        };
    }
}

/// Returns the time at which the connection is closed unless a byte is relayed earlier, and the reason for
/// the close.
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
            // The relay does not parse requests. A request is in flight if the client was the last to send.
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

/// Returns the earlier of two deadlines.
fn earlier(one: (Instant, CloseReason), other: (Instant, CloseReason)) -> (Instant, CloseReason) {
    if one.0 <= other.0 { one } else { other }
}

/// Returns `start + limit`, with `limit` capped at 30 years.
pub(super) fn add_saturating(start: Instant, limit: Duration) -> Instant {
    // A longer limit could overflow `Instant`.
    const DECADES: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    start + limit.min(DECADES)
}
