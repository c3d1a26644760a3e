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

/// A forwarded connection between two in-memory streams, under a paused clock.
struct ForwardedConnection {
    client: DuplexStream,
    upstream: DuplexStream,
    close_policy: watch::Sender<ClosePolicy>,
    start: Instant,
    task: JoinHandle<CloseReason>,
}

impl ForwardedConnection {
    fn start() -> Self {
        let (client, client_end) = duplex(1024);
        let (upstream, upstream_end) = duplex(1024);
        let (close_policy, policy_changes) = watch::channel(ClosePolicy::KeepOpen);
        let start = Instant::now();
        let task = tokio::spawn(async move {
            let traffic = Traffic::default();
            let pump = Pump::new(client_end, upstream_end, &traffic, None);
            forward(pump, TIMEOUTS, start, policy_changes).await
        });
        Self { client, upstream, close_policy, start, task }
    }

    async fn send_request(&mut self) {
        self.client.write_u8(b'?').await.unwrap();
        assert_eq!(self.upstream.read_u8().await.unwrap(), b'?');
    }

    async fn send_response(&mut self) {
        self.upstream.write_u8(b'!').await.unwrap();
        assert_eq!(self.client.read_u8().await.unwrap(), b'!');
    }

    /// Returns the reason for the end, and the time from start to end.
    async fn wait_for_end(self) -> (CloseReason, Duration) {
        let end = self.task.await.unwrap();
        (end, self.start.elapsed())
    }
}

fn assert_about(elapsed: Duration, expected: Duration) {
    let tolerance = Duration::from_millis(10);
    assert!(elapsed >= expected && elapsed < expected + tolerance, "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn idle_connection_ends_at_the_idle_timeout() {
    let (end, elapsed) = ForwardedConnection::start().wait_for_end().await;
    assert!(matches!(end, CloseReason::Idle), "{end:?}");
    assert_about(elapsed, IDLE);
}

#[tokio::test(start_paused = true)]
async fn byte_in_either_direction_restarts_the_idle_timeout() {
    let mut forwarded = ForwardedConnection::start();
    sleep(IDLE / 2).await;
    forwarded.send_request().await;
    sleep(IDLE / 2).await;
    forwarded.send_response().await;
    let (end, elapsed) = forwarded.wait_for_end().await;
    assert!(matches!(end, CloseReason::Idle), "{end:?}");
    assert_about(elapsed, IDLE * 2);
}

#[tokio::test(start_paused = true)]
async fn half_closed_connection_ends_at_the_idle_timeout() {
    let mut forwarded = ForwardedConnection::start();
    forwarded.client.shutdown().await.unwrap();
    let (end, elapsed) = forwarded.wait_for_end().await;
    assert!(matches!(end, CloseReason::Idle), "{end:?}");
    assert_about(elapsed, IDLE);
}

#[tokio::test(start_paused = true)]
async fn trickling_connection_ends_at_the_total_timeout() {
    let mut forwarded = ForwardedConnection::start();
    while !forwarded.task.is_finished() {
        let _ = forwarded.client.write_u8(b'x').await;
        sleep(Duration::from_secs(1)).await;
    }
    let (end, elapsed) = forwarded.wait_for_end().await;
    assert!(matches!(end, CloseReason::TotalTimeout), "{end:?}");
    assert!(elapsed >= TOTAL && elapsed <= TOTAL + Duration::from_secs(1), "{elapsed:?}");
}

/// A writer that is always ready, so that it exhausts the budget of a task poll.
struct OneByteWriter(Sink);

impl AsyncWrite for OneByteWriter {
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
async fn flooding_connection_ends_at_the_total_timeout() {
    let total = Duration::from_millis(50);
    let (_close_policy, policy_changes) = watch::channel(ClosePolicy::KeepOpen);
    let endless = || join(repeat(7), OneByteWriter(sink()));
    let timeouts = Timeouts { total, ..TIMEOUTS };
    let flood = async move {
        let traffic = Traffic::default();
        let pump = Pump::new(endless(), endless(), &traffic, None);
        forward(pump, timeouts, Instant::now(), policy_changes).await
    };
    let end = timeout(Duration::from_secs(10), tokio::spawn(flood)).await.unwrap().unwrap();
    assert!(matches!(end, CloseReason::TotalTimeout), "{end:?}");
}

#[tokio::test(start_paused = true)]
async fn draining_closes_a_connection_idle_for_a_second() {
    let mut forwarded = ForwardedConnection::start();
    forwarded.send_request().await;
    forwarded.send_response().await;
    forwarded.close_policy.send_replace(ClosePolicy::WhenIdle);
    let (end, elapsed) = forwarded.wait_for_end().await;
    assert!(matches!(end, CloseReason::Idle), "{end:?}");
    assert_about(elapsed, MAX_IDLE_WHILE_DRAINING);
}

#[tokio::test(start_paused = true)]
async fn draining_closes_a_long_idle_connection_at_once() {
    let forwarded = ForwardedConnection::start();
    sleep(IDLE / 2).await;
    forwarded.close_policy.send_replace(ClosePolicy::WhenIdle);
    let (end, elapsed) = forwarded.wait_for_end().await;
    assert!(matches!(end, CloseReason::Idle), "{end:?}");
    assert_about(elapsed, IDLE / 2);
}

#[tokio::test(start_paused = true)]
async fn draining_is_noticed_when_bytes_arrive_at_the_same_time() {
    let mut forwarded = ForwardedConnection::start();
    forwarded.send_request().await;
    sleep(IDLE / 2).await;
    // Both events are handled in one poll of the task.
    forwarded.upstream.write_u8(b'!').await.unwrap();
    forwarded.close_policy.send_replace(ClosePolicy::WhenIdle);
    let (end, elapsed) = forwarded.wait_for_end().await;
    assert!(matches!(end, CloseReason::Idle), "{end:?}");
    assert_about(elapsed, IDLE / 2 + MAX_IDLE_WHILE_DRAINING);
}

#[tokio::test(start_paused = true)]
async fn draining_waits_for_a_slow_response() {
    let mut forwarded = ForwardedConnection::start();
    forwarded.send_request().await;
    forwarded.close_policy.send_replace(ClosePolicy::WhenIdle);
    sleep(MAX_IDLE_WHILE_DRAINING * 10).await;
    forwarded.send_response().await;
    let (end, elapsed) = forwarded.wait_for_end().await;
    assert!(matches!(end, CloseReason::Idle), "{end:?}");
    assert_about(elapsed, MAX_IDLE_WHILE_DRAINING * 11);
}

#[tokio::test(start_paused = true)]
async fn upstream_eof_closes_an_idle_client_after_2_s() {
    let mut forwarded = ForwardedConnection::start();
    sleep(IDLE / 2).await;
    forwarded.upstream.write_u8(b'!').await.unwrap();
    forwarded.upstream.shutdown().await.unwrap();
    assert_eq!(forwarded.client.read_u8().await.unwrap(), b'!');
    let (end, elapsed) = forwarded.wait_for_end().await;
    assert!(matches!(end, CloseReason::UpstreamClosed), "{end:?}");
    assert_about(elapsed, IDLE / 2 + LINGER);
}

#[tokio::test(start_paused = true)]
async fn client_bytes_do_not_delay_the_close_after_upstream_eof() {
    let mut forwarded = ForwardedConnection::start();
    forwarded.upstream.shutdown().await.unwrap();
    while !forwarded.task.is_finished() {
        let _ = forwarded.client.write_u8(b'x').await;
        sleep(Duration::from_millis(100)).await;
    }
    let (end, elapsed) = forwarded.wait_for_end().await;
    assert!(matches!(end, CloseReason::UpstreamClosed), "{end:?}");
    assert!(elapsed >= LINGER && elapsed <= LINGER + Duration::from_millis(200), "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn upstream_eof_timeout_starts_once_all_bytes_are_written() {
    let mut forwarded = ForwardedConnection::start();
    // The client's buffer of 1,024 bytes is full until the client reads it.
    forwarded.upstream.write_all(&[7; 1024]).await.unwrap();
    sleep(Duration::from_millis(1)).await;
    forwarded.upstream.write_all(&[7; 1000]).await.unwrap();
    forwarded.upstream.shutdown().await.unwrap();
    sleep(LINGER * 5).await;
    forwarded.client.read_exact(&mut [0; 2024]).await.unwrap();
    let (end, elapsed) = forwarded.wait_for_end().await;
    assert!(matches!(end, CloseReason::UpstreamClosed), "{end:?}");
    assert_about(elapsed, LINGER * 6);
}

#[tokio::test(start_paused = true)]
async fn unresponsive_timeout_ends_an_awaited_response() {
    let mut forwarded = ForwardedConnection::start();
    forwarded.send_request().await;
    sleep(IDLE / 2).await;
    forwarded.close_policy.send_replace(ClosePolicy::WhenIdleOrNoResponse);
    let (end, elapsed) = forwarded.wait_for_end().await;
    assert!(matches!(end, CloseReason::Unresponsive), "{end:?}");
    assert_about(elapsed, IDLE / 2 + UNRESPONSIVE);
}

#[tokio::test(start_paused = true)]
async fn new_request_to_an_unresponsive_upstream_gets_the_timeout() {
    let mut forwarded = ForwardedConnection::start();
    forwarded.close_policy.send_replace(ClosePolicy::WhenIdleOrNoResponse);
    sleep(MAX_IDLE_WHILE_DRAINING / 2).await;
    forwarded.send_request().await;
    let (end, elapsed) = forwarded.wait_for_end().await;
    assert!(matches!(end, CloseReason::Unresponsive), "{end:?}");
    assert_about(elapsed, MAX_IDLE_WHILE_DRAINING / 2 + UNRESPONSIVE);
}

#[tokio::test(start_paused = true)]
async fn upstream_that_recovers_in_time_keeps_its_requests() {
    let mut forwarded = ForwardedConnection::start();
    forwarded.send_request().await;
    forwarded.close_policy.send_replace(ClosePolicy::WhenIdleOrNoResponse);
    sleep(UNRESPONSIVE / 2).await;
    forwarded.close_policy.send_replace(ClosePolicy::KeepOpen);
    sleep(UNRESPONSIVE * 2).await;
    forwarded.send_response().await;
    let (end, elapsed) = forwarded.wait_for_end().await;
    assert!(matches!(end, CloseReason::Idle), "{end:?}");
    assert_about(elapsed, UNRESPONSIVE / 2 + UNRESPONSIVE * 2 + IDLE);
}
