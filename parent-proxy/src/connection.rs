use std::future::{Future, pending, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::{Poll, Waker};
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, sleep_until};
use transport::{ConnectionId, ProxyHeader, Stream};

use crate::Config;
use crate::activity::Activity;
use crate::connections::Common;
use crate::pump::Pump;
use crate::upstream::Closing;

/// While draining, a connection between two requests may be quiet for this long. Long enough for a
/// client that has just been answered to send its next request; a keep-alive client at rest must
/// not hold up the end.
const QUIET_WHILE_DRAINING: Duration = Duration::from_secs(1);

/// How long a client may leave its side open once the upstream has closed and the last byte has been
/// written to it. A silent client would otherwise hold its slot until the idle timeout.
const LINGER: Duration = Duration::from_secs(2);

/// How long a connection may take, whichever deadline comes first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    /// No byte in either direction.
    idle: Duration,
    /// From accept to close.
    total: Duration,
    /// From the upstream's end to closing the client's side.
    linger: Duration,
    /// For a response, once health checks have found the upstream unresponsive.
    unresponsive: Duration,
}

impl From<&Config> for Timeouts {
    fn from(config: &Config) -> Self {
        Self {
            idle: config.idle_timeout,
            total: config.total_timeout,
            linger: LINGER,
            unresponsive: config.unresponsive_timeout,
        }
    }
}

impl Timeouts {
    /// Those of a way out: the library of a module keeps its connections, busy or not.
    pub(crate) fn of_route() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self { idle: DAY, total: DAY * 365, linger: DAY, unresponsive: DAY }
    }
}

/// Why a connection was over.
#[derive(Debug, Error)]
enum End {
    #[error("both sides finished")]
    Finished,
    #[error("the enclave finished first")]
    Left,
    #[error("no byte for the idle timeout, or between two requests while draining")]
    Quiet,
    #[error("no response from an enclave that does not answer health checks")]
    Unresponsive,
    #[error("total timeout")]
    Expired,
    #[error("one side broke: {0}")]
    Broken(io::Error),
}

/// Relays one client, from accept to close.
pub(crate) async fn serve(client: Stream, common: &Common, activity: Option<&Activity>) {
    let accepted = Instant::now();
    let connection = common.ids.next();
    let header = match common.introduces {
        true => ProxyHeader { client: client.peer_address(), connection: Some(connection) }
            .encode(client.local_address()),
        false => Vec::new(),
    };
    let mut log = CloseLog { connection, accepted, end: None };
    let connected = noting_a_request(&client, activity, common.pool.connect(&header)).await;
    let Some((stream, lease)) = connected else {
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
    let pump = Pump::new(client, stream, &upstream.traffic, activity);
    let end = carry(pump, common.timeouts, accepted, lease.closing()).await;
    if matches!(end, End::Left | End::Broken(_)) {
        // An enclave keeps its connections, unless something is wrong with it, or with what was asked.
        // One that fails at once has the fewest, and would get all clients until it is asked.
        upstream.suspect();
    }
    if matches!(end, End::Unresponsive) {
        upstream.counts.unresponsive.fetch_add(1, Ordering::Relaxed);
    }
    log.end = Some(end);
}

/// Waits for `connected`, and records meanwhile that the client has sent something: a connection on which a
/// response is awaited must not make room for another one, however long the enclave takes to answer.
async fn noting_a_request<T>(
    client: &Stream,
    activity: Option<&Activity>,
    connected: impl Future<Output = T>,
) -> T {
    let mut connected = pin!(connected);
    let Some(activity) = activity else { return connected.await };
    tokio::select! {
        biased;
        connected = &mut connected => return connected,
        Ok(_) = client.peek() => {}
    }
    // Where it is `false` the connection is evicted, and its task is about to be aborted.
    activity.await_response();
    connected.await
}

/// Logs the end of a connection, also where its task is aborted.
struct CloseLog {
    connection: ConnectionId,
    accepted: Instant,
    end: Option<End>,
}

impl Drop for CloseLog {
    fn drop(&mut self) {
        let (connection, lived) = (self.connection, self.accepted.elapsed());
        match &self.end {
            Some(end) => tracing::debug!(%connection, %end, ?lived, "connection closed"),
            None => tracing::debug!(%connection, ?lived, "connection closed before its end"),
        }
    }
}

async fn carry<C, U>(
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

/// What a connection was told of its upstream.
#[derive(Default)]
struct Notice {
    /// Whether the connection is to end once it is quiet. One that has not ended yet is kept where the
    /// upstream is restored, or active again.
    drains: bool,
    unresponsive_since: Option<Instant>,
}

impl Notice {
    fn take(&mut self, closing: Closing) {
        self.drains = closing != Closing::No;
        self.unresponsive_since = match closing {
            Closing::Unresponsive => self.unresponsive_since.or(Some(Instant::now())),
            Closing::No | Closing::WhenQuiet => None,
        };
    }
}

/// What a connection wakes for.
enum Event {
    Ended(io::Result<()>),
    Closing,
    LookAgain,
}

/// What happens beside bytes, and seldom.
struct Rare {
    look_again: Instant,
    closing: watch::Receiver<Closing>,
    /// Whether the upstream's end has been noticed.
    lingers: bool,
    /// Whom the timer and a change of `closing` will wake.
    told: Option<Waker>,
}

impl Rare {
    /// Whether nothing of it can have happened by `now`, and what does will wake this task. To ask
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

/// Returns when the connection is to end if no byte comes before that, and why.
fn deadline<C, U>(pump: &Pump<'_, C, U>, timeouts: Timeouts, upstream: &Notice) -> (Instant, End)
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

/// Waits for a change. An error is a relay that is gone, and its connections are about to be aborted.
async fn changes(closing: &mut watch::Receiver<Closing>) {
    if closing.changed().await.is_err() {
        pending().await
    }
}

fn after(start: Instant, limit: Duration) -> Instant {
    // A limit past what the clock can express is none.
    const DECADES: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
    start + limit.min(DECADES)
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
