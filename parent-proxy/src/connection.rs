use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::{Poll, Waker};
use std::time::Duration;

use shared::transport::{ProxyHeader, Stream};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, sleep_until};

use crate::Config;
use crate::connections::Common;
use crate::pump::{Pump, Side};
use crate::upstream::Traffic;

/// While draining, a connection between two requests may be quiet for this long. Long enough for a
/// client that has just been answered to send its next request; a keep-alive client at rest must
/// not hold up the end.
const QUIET_WHILE_DRAINING: Duration = Duration::from_secs(1);

/// How long a connection may take, whichever deadline comes first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    idle: Duration,
    total: Duration,
}

impl From<&Config> for Timeouts {
    fn from(config: &Config) -> Self {
        Self { idle: config.idle_timeout, total: config.total_timeout }
    }
}

impl Timeouts {
    /// Those of a way out: the library of a module keeps its connections, busy or not.
    pub(crate) fn of_route() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self { idle: DAY, total: DAY * 365 }
    }
}

/// Why a connection was over.
#[derive(Debug, Error)]
enum End {
    #[error("both sides finished")]
    Finished,
    #[error("both sides finished, the enclave first")]
    Left,
    #[error("no byte for the idle timeout, or between two requests while draining")]
    Quiet,
    #[error("total timeout")]
    Expired,
    #[error("one side broke: {0}")]
    Broken(io::Error),
}

/// One client, from accept to close.
pub(crate) async fn serve(client: Stream, common: &Common) {
    let accepted = Instant::now();
    let connection = common.ids.next();
    let header = match common.introduces {
        true => ProxyHeader { client: client.peer_address(), connection: Some(connection) }
            .encode(client.local_address()),
        false => Vec::new(),
    };
    let Some((stream, lease)) = common.pool.connect(&header).await else {
        tracing::debug!(%connection, "no upstream; the client is closed");
        return;
    };
    drop(header);
    let upstream = lease.upstream();
    tracing::debug!(
        %connection,
        client = client.peer_address().map(tracing::field::display),
        upstream = %upstream.endpoint(),
        "connection opened"
    );
    let (traffic, closing) = (&upstream.traffic, lease.closing());
    let end = carry(client, stream, traffic, common.timeouts, accepted, closing).await;
    if matches!(end, End::Left | End::Broken(_)) {
        // An enclave keeps its connections, unless something is wrong with it, or with what was asked.
        // One that fails at once has the fewest, and would get all clients until it is asked.
        upstream.suspect();
    }
    tracing::debug!(%connection, %end, lived = ?accepted.elapsed(), "connection closed");
}

async fn carry<C, U>(
    client: C,
    upstream: U,
    traffic: &Traffic,
    timeouts: Timeouts,
    accepted: Instant,
    mut draining: watch::Receiver<bool>,
) -> End
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let mut pump = Pump::new(client, upstream, traffic);
    let expires = after(accepted, timeouts.total);
    let mut drains = false;
    loop {
        let quiet = quiet_limit(&pump, timeouts, drains);
        let deadline = after(pump.last_activity(), quiet).min(expires);
        let now = Instant::now();
        if now >= deadline {
            return if deadline == expires { End::Expired } else { End::Quiet };
        }
        // Bytes do not touch the timer: when it fires, it is set again to where the activity since
        // has moved the deadline. That is later, except after an answer while draining.
        let look_again = if drains { deadline.min(now + QUIET_WHILE_DRAINING) } else { deadline };
        let rare = Rare { look_again, draining: draining.clone(), drains, told: None };
        match relay_until(&mut pump, &mut draining, rare).await {
            Event::Ended(Err(error)) => return End::Broken(error),
            Event::Ended(Ok(())) if pump.first() == Some(Side::Upstream) => return End::Left,
            Event::Ended(Ok(())) => return End::Finished,
            Event::Drains => drains = true,
            Event::LookAgain => {}
        }
    }
}

/// What a connection wakes for.
enum Event {
    Ended(io::Result<()>),
    Drains,
    LookAgain,
}

/// What happens beside bytes, and seldom.
struct Rare {
    look_again: Instant,
    draining: watch::Receiver<bool>,
    drains: bool,
    /// Whom the timer and the beginning of a drain will wake.
    told: Option<Waker>,
}

impl Rare {
    /// Whether nothing of it can have happened by `now`, and what does will wake this task. To ask
    /// the timer and the channel instead takes locks, and most polls are for bytes alone.
    fn is_still_ahead(&self, now: Instant, waker: &Waker) -> bool {
        now < self.look_again
            && self.told.as_ref().is_some_and(|told| told.will_wake(waker))
            && !self.draining.has_changed().unwrap_or(true)
    }
}

async fn relay_until<C, U>(
    pump: &mut Pump<'_, C, U>,
    draining: &mut watch::Receiver<bool>,
    mut rare: Rare,
) -> Event
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    // Unconstrained, or bytes that use up the task's budget would hide the timer for ever.
    let mut timer = pin!(unconstrained(sleep_until(rare.look_again)));
    let mut begins = pin!(unconstrained(begins(draining)));
    poll_fn(|cx| {
        let before = pump.last_activity();
        if let Poll::Ready(ended) = pump.poll(cx) {
            return Poll::Ready(Event::Ended(ended));
        }
        let now = pump.last_activity();
        if now != before && rare.is_still_ahead(now, cx.waker()) {
            return Poll::Pending;
        }
        if !rare.drains && begins.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Event::Drains);
        }
        if now >= rare.look_again || timer.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Event::LookAgain);
        }
        rare.told = Some(cx.waker().clone());
        Poll::Pending
    })
    .await
}

fn quiet_limit<C, U>(pump: &Pump<'_, C, U>, timeouts: Timeouts, drains: bool) -> Duration
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    // Nothing here parses requests. That the client spoke last is what tells a request in flight.
    if drains && !pump.awaits_answer() {
        timeouts.idle.min(QUIET_WHILE_DRAINING)
    } else {
        timeouts.idle
    }
}

async fn begins(draining: &mut watch::Receiver<bool>) {
    // An error is a relay that is gone, and its connections are about to be aborted.
    let _ = draining.wait_for(|draining| *draining).await;
}

fn after(start: Instant, limit: Duration) -> Instant {
    // A limit past what the clock can express is none.
    const DECADES: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    start + limit.min(DECADES)
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
