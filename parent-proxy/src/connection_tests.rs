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
