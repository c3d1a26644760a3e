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
mod tests {
    use std::pin::Pin;
    use std::task::Context;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, Sink, duplex, join, repeat, sink};
    use tokio::task::JoinHandle;
    use tokio::time::{sleep, timeout};

    use super::*;

    const IDLE: Duration = Duration::from_secs(60);
    const TOTAL: Duration = Duration::from_secs(600);

    /// A connection between two streams in memory, under a clock that jumps where all wait.
    struct Carried {
        client: DuplexStream,
        upstream: DuplexStream,
        draining: watch::Sender<bool>,
        start: Instant,
        task: JoinHandle<End>,
    }

    impl Carried {
        fn start() -> Self {
            let (client, client_end) = duplex(1024);
            let (upstream, upstream_end) = duplex(1024);
            let (draining, drains) = watch::channel(false);
            let (start, timeouts) = (Instant::now(), Timeouts { idle: IDLE, total: TOTAL });
            let task = tokio::spawn(async move {
                carry(client_end, upstream_end, &Traffic::default(), timeouts, start, drains).await
            });
            Self { client, upstream, draining, start, task }
        }

        async fn ask(&mut self) {
            self.client.write_u8(b'?').await.unwrap();
            assert_eq!(self.upstream.read_u8().await.unwrap(), b'?');
        }

        async fn answer(&mut self) {
            self.upstream.write_u8(b'!').await.unwrap();
            assert_eq!(self.client.read_u8().await.unwrap(), b'!');
        }

        /// Why and how long after its start it ended.
        async fn ended(self) -> (End, Duration) {
            let end = self.task.await.unwrap();
            (end, self.start.elapsed())
        }
    }

    fn assert_about(elapsed: Duration, expected: Duration) {
        let tolerance = Duration::from_millis(10);
        assert!(elapsed >= expected && elapsed < expected + tolerance, "{elapsed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_a_connection_at_the_idle_timeout() {
        let (end, elapsed) = Carried::start().ended().await;
        assert!(matches!(end, End::Quiet), "{end:?}");
        assert_about(elapsed, IDLE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_byte_in_either_direction_starts_the_idle_timeout_anew() {
        let mut carried = Carried::start();
        sleep(IDLE / 2).await;
        carried.ask().await;
        sleep(IDLE / 2).await;
        carried.answer().await;
        let (end, elapsed) = carried.ended().await;
        assert!(matches!(end, End::Quiet), "{end:?}");
        assert_about(elapsed, IDLE * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_half_closed_connection_is_under_the_idle_timeout_too() {
        let mut carried = Carried::start();
        carried.client.shutdown().await.unwrap();
        let (end, elapsed) = carried.ended().await;
        assert!(matches!(end, End::Quiet), "{end:?}");
        assert_about(elapsed, IDLE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickle_ends_at_the_total_timeout() {
        let mut carried = Carried::start();
        while !carried.task.is_finished() {
            let _ = carried.client.write_u8(b'x').await;
            sleep(Duration::from_secs(1)).await;
        }
        let (end, elapsed) = carried.ended().await;
        assert!(matches!(end, End::Expired), "{end:?}");
        assert!(elapsed >= TOTAL && elapsed <= TOTAL + Duration::from_secs(1), "{elapsed:?}");
    }

    /// Always ready, and so uses up the budget that the runtime gives to one poll of a task.
    struct OneByteAWrite(Sink);

    impl AsyncWrite for OneByteAWrite {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_write(cx, &bytes[..1])
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn a_flood_ends_at_the_total_timeout() {
        let total = Duration::from_millis(50);
        let (_draining, drains) = watch::channel(false);
        let endless = || join(repeat(7), OneByteAWrite(sink()));
        let timeouts = Timeouts { idle: IDLE, total };
        let flood = async move {
            let traffic = Traffic::default();
            carry(endless(), endless(), &traffic, timeouts, Instant::now(), drains).await
        };
        let end = timeout(Duration::from_secs(10), tokio::spawn(flood)).await.unwrap().unwrap();
        assert!(matches!(end, End::Expired), "{end:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn draining_closes_a_connection_between_two_requests_after_a_second() {
        let mut carried = Carried::start();
        carried.ask().await;
        carried.answer().await;
        carried.draining.send_replace(true);
        let (end, elapsed) = carried.ended().await;
        assert!(matches!(end, End::Quiet), "{end:?}");
        assert_about(elapsed, QUIET_WHILE_DRAINING);
    }

    #[tokio::test(start_paused = true)]
    async fn draining_closes_at_once_what_has_long_been_quiet() {
        let carried = Carried::start();
        sleep(IDLE / 2).await;
        carried.draining.send_replace(true);
        let (end, elapsed) = carried.ended().await;
        assert!(matches!(end, End::Quiet), "{end:?}");
        assert_about(elapsed, IDLE / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn draining_is_noticed_though_it_begins_together_with_bytes() {
        let mut carried = Carried::start();
        carried.ask().await;
        sleep(IDLE / 2).await;
        // The task runs once for both.
        carried.upstream.write_u8(b'!').await.unwrap();
        carried.draining.send_replace(true);
        let (end, elapsed) = carried.ended().await;
        assert!(matches!(end, End::Quiet), "{end:?}");
        assert_about(elapsed, IDLE / 2 + QUIET_WHILE_DRAINING);
    }

    #[tokio::test(start_paused = true)]
    async fn draining_waits_for_an_answer_that_takes_its_time() {
        let mut carried = Carried::start();
        carried.ask().await;
        carried.draining.send_replace(true);
        sleep(QUIET_WHILE_DRAINING * 10).await;
        carried.answer().await;
        let (end, elapsed) = carried.ended().await;
        assert!(matches!(end, End::Quiet), "{end:?}");
        assert_about(elapsed, QUIET_WHILE_DRAINING * 11);
    }
}
