use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, Sink, duplex, join, repeat, sink};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::*;
use crate::timeouts::LINGER;
use crate::upstream::Traffic;

const IDLE: Duration = Duration::from_secs(60);
const TOTAL: Duration = Duration::from_secs(600);
const UNRESPONSIVE: Duration = Duration::from_secs(5);
const TIMEOUTS: Timeouts =
    Timeouts { idle: IDLE, total: TOTAL, linger: LINGER, unresponsive: UNRESPONSIVE };

/// A connection between two streams in memory, under a clock that jumps where all wait.
struct Carried {
    client: DuplexStream,
    upstream: DuplexStream,
    closing: watch::Sender<Closing>,
    start: Instant,
    task: JoinHandle<End>,
}

impl Carried {
    fn start() -> Self {
        let (client, client_end) = duplex(1024);
        let (upstream, upstream_end) = duplex(1024);
        let (closing, closes) = watch::channel(Closing::No);
        let start = Instant::now();
        let task = tokio::spawn(async move {
            let traffic = Traffic::default();
            let pump = Pump::new(client_end, upstream_end, &traffic, None);
            carry(pump, TIMEOUTS, start, closes).await
        });
        Self { client, upstream, closing, start, task }
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
    let (_closing, closes) = watch::channel(Closing::No);
    let endless = || join(repeat(7), OneByteAWrite(sink()));
    let timeouts = Timeouts { total, ..TIMEOUTS };
    let flood = async move {
        let traffic = Traffic::default();
        let pump = Pump::new(endless(), endless(), &traffic, None);
        carry(pump, timeouts, Instant::now(), closes).await
    };
    let end = timeout(Duration::from_secs(10), tokio::spawn(flood)).await.unwrap().unwrap();
    assert!(matches!(end, End::Expired), "{end:?}");
}

#[tokio::test(start_paused = true)]
async fn draining_closes_a_connection_between_two_requests_after_a_second() {
    let mut carried = Carried::start();
    carried.ask().await;
    carried.answer().await;
    carried.closing.send_replace(Closing::WhenQuiet);
    let (end, elapsed) = carried.ended().await;
    assert!(matches!(end, End::Quiet), "{end:?}");
    assert_about(elapsed, QUIET_WHILE_DRAINING);
}

#[tokio::test(start_paused = true)]
async fn draining_closes_at_once_what_has_long_been_quiet() {
    let carried = Carried::start();
    sleep(IDLE / 2).await;
    carried.closing.send_replace(Closing::WhenQuiet);
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
    carried.closing.send_replace(Closing::WhenQuiet);
    let (end, elapsed) = carried.ended().await;
    assert!(matches!(end, End::Quiet), "{end:?}");
    assert_about(elapsed, IDLE / 2 + QUIET_WHILE_DRAINING);
}

#[tokio::test(start_paused = true)]
async fn draining_waits_for_an_answer_that_takes_its_time() {
    let mut carried = Carried::start();
    carried.ask().await;
    carried.closing.send_replace(Closing::WhenQuiet);
    sleep(QUIET_WHILE_DRAINING * 10).await;
    carried.answer().await;
    let (end, elapsed) = carried.ended().await;
    assert!(matches!(end, End::Quiet), "{end:?}");
    assert_about(elapsed, QUIET_WHILE_DRAINING * 11);
}

#[tokio::test(start_paused = true)]
async fn upstream_end_closes_a_silent_client_after_2_s() {
    let mut carried = Carried::start();
    sleep(IDLE / 2).await;
    carried.upstream.write_u8(b'!').await.unwrap();
    carried.upstream.shutdown().await.unwrap();
    assert_eq!(carried.client.read_u8().await.unwrap(), b'!');
    let (end, elapsed) = carried.ended().await;
    assert!(matches!(end, End::Left), "{end:?}");
    assert_about(elapsed, IDLE / 2 + LINGER);
}

#[tokio::test(start_paused = true)]
async fn bytes_of_the_client_do_not_move_the_close_after_the_upstream_end() {
    let mut carried = Carried::start();
    carried.upstream.shutdown().await.unwrap();
    while !carried.task.is_finished() {
        let _ = carried.client.write_u8(b'x').await;
        sleep(Duration::from_millis(100)).await;
    }
    let (end, elapsed) = carried.ended().await;
    assert!(matches!(end, End::Left), "{end:?}");
    assert!(elapsed >= LINGER && elapsed <= LINGER + Duration::from_millis(200), "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn upstream_end_waits_until_all_before_it_is_written() {
    let mut carried = Carried::start();
    // The client's buffer has 1,024 bytes, and takes no more until it is read.
    carried.upstream.write_all(&[7; 1024]).await.unwrap();
    sleep(Duration::from_millis(1)).await;
    carried.upstream.write_all(&[7; 1000]).await.unwrap();
    carried.upstream.shutdown().await.unwrap();
    sleep(LINGER * 5).await;
    carried.client.read_exact(&mut [0; 2024]).await.unwrap();
    let (end, elapsed) = carried.ended().await;
    assert!(matches!(end, End::Left), "{end:?}");
    assert_about(elapsed, LINGER * 6);
}

#[tokio::test(start_paused = true)]
async fn unresponsive_upstream_ends_an_awaited_response_after_its_timeout() {
    let mut carried = Carried::start();
    carried.ask().await;
    sleep(IDLE / 2).await;
    carried.closing.send_replace(Closing::Unresponsive);
    let (end, elapsed) = carried.ended().await;
    assert!(matches!(end, End::Unresponsive), "{end:?}");
    assert_about(elapsed, IDLE / 2 + UNRESPONSIVE);
}

#[tokio::test(start_paused = true)]
async fn request_to_an_unresponsive_upstream_has_the_whole_timeout() {
    let mut carried = Carried::start();
    carried.closing.send_replace(Closing::Unresponsive);
    sleep(QUIET_WHILE_DRAINING / 2).await;
    carried.ask().await;
    let (end, elapsed) = carried.ended().await;
    assert!(matches!(end, End::Unresponsive), "{end:?}");
    assert_about(elapsed, QUIET_WHILE_DRAINING / 2 + UNRESPONSIVE);
}

#[tokio::test(start_paused = true)]
async fn upstream_that_answers_again_in_time_keeps_its_requests() {
    let mut carried = Carried::start();
    carried.ask().await;
    carried.closing.send_replace(Closing::Unresponsive);
    sleep(UNRESPONSIVE / 2).await;
    carried.closing.send_replace(Closing::No);
    sleep(UNRESPONSIVE * 2).await;
    carried.answer().await;
    let (end, elapsed) = carried.ended().await;
    assert!(matches!(end, End::Quiet), "{end:?}");
    assert_about(elapsed, UNRESPONSIVE / 2 + UNRESPONSIVE * 2 + IDLE);
}
