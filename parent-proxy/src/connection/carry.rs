//! The loop of one connection: bytes, deadlines and the state of its upstream.

use std::future::{pending, poll_fn};
use std::io;
use std::pin::pin;
use std::task::{Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, sleep_until};

use super::deadline::{Notice, QUIET_WHILE_DRAINING, after, deadline};
use super::end::End;
use crate::pump::Pump;
use crate::timeouts::Timeouts;
use crate::upstream::Closing;

/// Relays bytes until the connection ends or a deadline passes. Returns the reason.
pub(super) async fn carry<C, U>(
    mut pump: Pump<'_, C, U>,
    timeouts: Timeouts,
    accepted: Instant,
    mut closing: watch::Receiver<Closing>,
) -> End
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let expires = after(accepted, timeouts.total);
    let mut upstream = Notice::default();
    upstream.take(*closing.borrow_and_update());
    loop {
        let (deadline, end) = deadline(&pump, timeouts, &upstream);
        let now = Instant::now();
        if now >= expires {
            return End::Expired;
        }
        if now >= deadline {
            return end;
        }
        let deadline = deadline.min(expires);
        // Bytes do not touch the timer: when it fires, it is set again to where the activity since
        // has moved the deadline. That is later, except after an answer while draining, and after the
        // upstream's end, which is an event of its own.
        let look_again =
            if upstream.drains { deadline.min(now + QUIET_WHILE_DRAINING) } else { deadline };
        let lingers = pump.upstream_ended().is_some();
        let rare = Rare { look_again, closing: closing.clone(), lingers, told: None };
        match relay_until(&mut pump, &mut closing, rare).await {
            Event::Ended(Err(error)) => return End::Broken(error),
            Event::Ended(Ok(())) if pump.upstream_ended().is_some() => return End::Left,
            Event::Ended(Ok(())) => return End::Finished,
            Event::Closing => upstream.take(*closing.borrow_and_update()),
            Event::LookAgain => {}
        }
    }
}

/// An event that a connection wakes for.
enum Event {
    Ended(io::Result<()>),
    Closing,
    LookAgain,
}

/// The wait for events other than bytes, which are rare.
struct Rare {
    look_again: Instant,
    closing: watch::Receiver<Closing>,
    /// Whether the upstream's end has been noticed.
    lingers: bool,
    /// The waker that the timer and a change of `closing` will wake.
    told: Option<Waker>,
}

impl Rare {
    /// Returns whether no such event can have happened by `now`, and a later one will wake this task. To poll
    /// the timer and the channel instead takes locks, and most polls are for bytes alone.
    fn is_still_ahead(&self, now: Instant, waker: &Waker) -> bool {
        now < self.look_again
            && self.told.as_ref().is_some_and(|told| told.will_wake(waker))
            && !self.closing.has_changed().unwrap_or(true)
    }
}

async fn relay_until<C, U>(
    pump: &mut Pump<'_, C, U>,
    closing: &mut watch::Receiver<Closing>,
    mut rare: Rare,
) -> Event
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    // Unconstrained, or bytes that use up the task's budget would hide the timer for ever.
    let mut timer = pin!(unconstrained(sleep_until(rare.look_again)));
    let mut changes = pin!(unconstrained(changes(closing)));
    poll_fn(|cx| {
        let before = pump.last_activity();
        if let Poll::Ready(ended) = pump.poll(cx) {
            return Poll::Ready(Event::Ended(ended));
        }
        let now = pump.last_activity();
        if pump.upstream_ended().is_some() && !rare.lingers {
            return Poll::Ready(Event::LookAgain);
        }
        if now != before && rare.is_still_ahead(now, cx.waker()) {
            return Poll::Pending;
        }
        if changes.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Event::Closing);
        }
        if now >= rare.look_again || timer.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Event::LookAgain);
        }
        rare.told = Some(cx.waker().clone());
        Poll::Pending
    })
    .await
}

/// Waits for a change. An error is a relay that is gone, and its connections are about to be aborted.
async fn changes(closing: &mut watch::Receiver<Closing>) {
    if closing.changed().await.is_err() {
        pending().await
    }
}

#[cfg(test)]
#[path = "carry_tests.rs"]
mod tests;
