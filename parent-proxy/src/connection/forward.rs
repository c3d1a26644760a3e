//! The event loop of one connection: bytes, deadlines and the close policy of its upstream.

use std::future::{pending, poll_fn};
use std::io;
use std::pin::pin;
use std::task::{Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, sleep_until};

use super::close_reason::CloseReason;
use super::deadline::{UpstreamState, add_saturating, deadline};
use crate::drain::MAX_IDLE_WHILE_DRAINING;
use crate::pump::Pump;
use crate::timeouts::Timeouts;
use crate::upstream::ClosePolicy;

/// Relays bytes until the connection ends or a deadline passes. Returns the reason.
pub(super) async fn forward<C, U>(
    mut pump: Pump<'_, C, U>,
    timeouts: Timeouts,
    accepted: Instant,
    mut close_policy: watch::Receiver<ClosePolicy>,
) -> CloseReason
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let expires = add_saturating(accepted, timeouts.total);
    let mut upstream = UpstreamState::default();
    upstream.update(*close_policy.borrow_and_update());
    loop {
        let (deadline, end) = deadline(&pump, timeouts, &upstream);
        let now = Instant::now();
        if now >= expires {
            return CloseReason::TotalTimeout;
        }
        if now >= deadline {
            return end;
        }
        let deadline = deadline.min(expires);
        // Relayed bytes do not reset the timer. When the timer fires, the loop computes the deadline again
        // from the last activity. The deadline moves to an earlier time in two cases only: after a response
        // while draining, and after the upstream's EOF. So the timer fires every second while draining, and
        // the EOF is an event of its own.
        let recheck_at = if upstream.is_draining {
            deadline.min(now + MAX_IDLE_WHILE_DRAINING)
        } else {
            deadline
        };
        let upstream_eof_seen = pump.upstream_ended().is_some();
        let events = ControlEvents {
            recheck_at,
            close_policy: close_policy.clone(),
            upstream_eof_seen,
            registered: None,
        };
        match next_event(&mut pump, &mut close_policy, events).await {
            Event::Ended(Err(error)) => return CloseReason::Io(error),
            Event::Ended(Ok(())) if pump.upstream_ended().is_some() => {
                return CloseReason::UpstreamClosed;
            }
            Event::Ended(Ok(())) => return CloseReason::BothClosed,
            Event::ClosePolicyChanged => upstream.update(*close_policy.borrow_and_update()),
            Event::Recheck => {}
        }
    }
}

/// An event that ends one wait of the event loop.
enum Event {
    Ended(io::Result<()>),
    ClosePolicyChanged,
    Recheck,
}

/// The timer and the close policy, which change rarely compared with bytes.
struct ControlEvents {
    recheck_at: Instant,
    close_policy: watch::Receiver<ClosePolicy>,
    /// True if the upstream's EOF has been handled.
    upstream_eof_seen: bool,
    /// The waker that the timer and a change of `close_policy` will wake.
    registered: Option<Waker>,
}

impl ControlEvents {
    /// Returns true if the timer and the close policy need no poll at `now`: nothing has changed, and each
    /// change will wake this task. A poll takes locks, and most wake-ups of the task are for bytes only.
    fn none_is_due(&self, now: Instant, waker: &Waker) -> bool {
        now < self.recheck_at
            && self.registered.as_ref().is_some_and(|registered| registered.will_wake(waker))
            && !self.close_policy.has_changed().unwrap_or(true)
    }
}

/// Relays bytes until the next event.
async fn next_event<C, U>(
    pump: &mut Pump<'_, C, U>,
    close_policy: &mut watch::Receiver<ClosePolicy>,
    mut events: ControlEvents,
) -> Event
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    // `unconstrained` ignores the task's budget. Otherwise, a connection whose bytes exhaust the budget in
    // every poll would hide the timer forever.
    let mut timer = pin!(unconstrained(sleep_until(events.recheck_at)));
    let mut changes = pin!(unconstrained(changes(close_policy)));
    poll_fn(|cx| {
        let before = pump.last_activity();
        if let Poll::Ready(ended) = pump.poll(cx) {
            return Poll::Ready(Event::Ended(ended));
        }
        let now = pump.last_activity();
        if pump.upstream_ended().is_some() && !events.upstream_eof_seen {
            return Poll::Ready(Event::Recheck);
        }
        if now != before && events.none_is_due(now, cx.waker()) {
            return Poll::Pending;
        }
        if changes.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Event::ClosePolicyChanged);
        }
        if now >= events.recheck_at || timer.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Event::Recheck);
        }
        events.registered = Some(cx.waker().clone());
        Poll::Pending
    })
    .await
}

/// Waits for a change of the close policy. Never returns after the sender is dropped, because the relay then
/// aborts its connections.
async fn changes(close_policy: &mut watch::Receiver<ClosePolicy>) {
    if close_policy.changed().await.is_err() {
        pending().await
    }
}

#[cfg(test)]
#[path = "forward_tests.rs"]
mod tests;
