//! Both directions of one relayed connection.

use std::cell::RefCell;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use crate::activity::Activity;
use crate::half_pipe::{HalfPipe, MAX_PENDING};
use crate::upstream::Traffic;

thread_local! {
    /// The read buffer of all connections of a thread. Bytes stay in the buffer only during one poll, in
    /// which they are written or copied.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; MAX_PENDING].into_boxed_slice());
}

/// A future that relays both directions of one connection. It needs no task of its own, no lock, and no
/// splitting of the streams.
///
/// Reads and writes detect a reset of a side. A side is not read while it is at EOF, or while the buffer for
/// its bytes is full. The next write to that side then detects a reset. Without a write, the connection ends
/// at the idle timeout.
#[derive(Debug)]
pub(crate) struct Pump<'a, C, U> {
    traffic: &'a Traffic,
    /// The record that other threads read to evict idle connections.
    activity: Option<&'a Activity>,
    client: C,
    upstream: U,
    to_upstream: HalfPipe<'a>,
    to_client: HalfPipe<'a>,
    last_activity: Instant,
    awaits_response: bool,
    /// Time at which the upstream's EOF, and all bytes before it, had been written to the client. `None` if
    /// the client ended first.
    upstream_ended: Option<Instant>,
    client_ended_first: bool,
}

impl<'a, C, U> Pump<'a, C, U>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    pub(crate) fn new(
        client: C,
        upstream: U,
        traffic: &'a Traffic,
        activity: Option<&'a Activity>,
    ) -> Self {
        Self {
            traffic,
            activity,
            client,
            upstream,
            to_upstream: HalfPipe::requests(activity),
            to_client: HalfPipe::default(),
            last_activity: Instant::now(),
            awaits_response: false,
            upstream_ended: None,
            client_ended_first: false,
        }
    }

    /// Relays the available bytes. Ready once both directions have ended.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        SCRATCH.with_borrow_mut(|scratch| self.poll_with(cx, scratch))
    }

    /// Returns the time at which a byte or an EOF was last relayed.
    pub(crate) fn last_activity(&self) -> Instant {
        self.last_activity
    }

    /// Returns whether the client was the last to send, so that a response may be in progress.
    pub(crate) fn awaits_response(&self) -> bool {
        self.awaits_response
    }

    /// Returns the time at which the upstream's EOF was relayed to the client, if the upstream ended first.
    pub(crate) fn upstream_ended(&self) -> Option<Instant> {
        self.upstream_ended
    }

    /// Polls both directions with `scratch` as the read buffer.
    fn poll_with(&mut self, cx: &mut Context<'_>, scratch: &mut [u8]) -> Poll<io::Result<()>> {
        // Responses are relayed first. So a request in the same poll counts as the later event.
        let to_client = self.to_client.poll(cx, &mut self.upstream, &mut self.client, scratch)?;
        if to_client.is_ready() {
            self.to_upstream.set_last();
        }
        let to_upstream =
            self.to_upstream.poll(cx, &mut self.client, &mut self.upstream, scratch)?;
        if to_upstream.is_ready() {
            self.to_client.set_last();
        }
        self.record_activity();
        if to_client.is_pending() {
            self.client_ended_first |= to_upstream.is_ready();
        } else if !self.client_ended_first {
            self.upstream_ended.get_or_insert_with(Instant::now);
        }
        if to_client.is_ready() && to_upstream.is_ready() {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }

    /// Counts the bytes of the last poll, and records the activity.
    fn record_activity(&mut self) {
        let answers = self.to_client.take_moved();
        let requests = self.to_upstream.take_moved();
        if answers {
            self.awaits_response = false;
            add(&self.traffic.to_client, self.to_client.take_count());
        }
        if requests {
            self.awaits_response = true;
            add(&self.traffic.to_enclave, self.to_upstream.take_count());
        }
        if answers || requests {
            self.last_activity = Instant::now();
            if let Some(activity) = self.activity {
                // A response is also awaited while part of it is buffered here.
                let awaits = self.awaits_response || self.to_client.has_pending();
                activity.record(self.last_activity, awaits);
            }
        }
    }
}

fn add(counter: &AtomicU64, bytes: usize) {
    counter.fetch_add(u64::try_from(bytes).unwrap_or_default(), Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    impl<C, U> Pump<'_, C, U>
    where
        C: AsyncRead + AsyncWrite + Unpin,
        U: AsyncRead + AsyncWrite + Unpin,
    {
        async fn run(&mut self) -> io::Result<()> {
            poll_fn(|cx| self.poll(cx)).await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn idle_connection_holds_no_buffer_after_traffic() {
        let (mut client, client_end) = duplex(16);
        let (mut upstream, upstream_end) = duplex(16);
        let traffic = Traffic::default();
        let mut pump = Pump::new(client_end, upstream_end, &traffic, None);
        let exchange = async {
            let (question, answer) = ([1; 5000], [2; 5000]);
            client.write_all(&question).await.unwrap();
            upstream.read_exact(&mut [0; 5000]).await.unwrap();
            upstream.write_all(&answer).await.unwrap();
            client.read_exact(&mut [0; 5000]).await.unwrap();
        };
        tokio::select! {
            ended = pump.run() => panic!("ended early: {ended:?}"),
            done = timeout(SOON, exchange) => done.unwrap(),
        }
        // All bytes were read, so another poll only waits.
        assert!(timeout(SOON, pump.run()).await.is_err());
        assert_eq!(pump.to_client.capacity() + pump.to_upstream.capacity(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn relays_the_response_of_an_upstream_that_stopped_reading() {
        let (mut client, client_end) = duplex(1024);
        let (mut upstream, upstream_end) = duplex(1024);
        client.write_all(&[1; 1024]).await.unwrap();
        upstream.write_all(b"too large").await.unwrap();
        drop(upstream);

        let traffic = Traffic::default();
        let mut pump = Pump::new(client_end, upstream_end, &traffic, None);
        timeout(SOON, pump.run()).await.unwrap().unwrap();

        let mut answer = [0; 9];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"too large");
    }

    #[tokio::test(start_paused = true)]
    async fn response_is_awaited_until_all_of_it_is_written() {
        let (mut client, client_end) = duplex(16);
        let (mut upstream, upstream_end) = duplex(1024);
        let traffic = Traffic::default();
        let activity = Activity::new(Instant::now(), Instant::now());
        let mut pump = Pump::new(client_end, upstream_end, &traffic, Some(&activity));
        client.write_all(b"?").await.unwrap();
        assert!(timeout(SOON, pump.run()).await.is_err());
        upstream.write_all(&[7; 100]).await.unwrap();
        assert!(timeout(SOON, pump.run()).await.is_err());
        assert_eq!(activity.rank(), None, "only a part was written");
        let mut response = [0; 100];
        let read = client.read_exact(&mut response);
        tokio::select! {
            ended = pump.run() => panic!("ended early: {ended:?}"),
            read = read => drop(read.unwrap()),
        }
        assert!(timeout(SOON, pump.run()).await.is_err());
        assert!(activity.rank().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn drop_sends_the_eof_of_the_last_direction() {
        let (mut client, client_end) = duplex(1024);
        let (mut upstream, upstream_end) = duplex(1024);
        let traffic = Traffic::default();
        let mut pump = Pump::new(client_end, upstream_end, &traffic, None);
        client.shutdown().await.unwrap();
        assert!(timeout(SOON, pump.run()).await.is_err());
        assert_eq!(upstream.read(&mut [0]).await.unwrap(), 0);

        upstream.write_all(b"last").await.unwrap();
        drop(upstream);
        timeout(SOON, pump.run()).await.unwrap().unwrap();

        let mut answer = Vec::new();
        assert!(timeout(SOON, client.read_to_end(&mut answer)).await.is_err());
        drop(pump);
        client.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"last");
    }

    #[tokio::test(start_paused = true)]
    async fn awaits_response_if_the_client_was_the_last_to_send() {
        let (mut client, client_end) = duplex(1024);
        let (mut upstream, upstream_end) = duplex(1024);
        let traffic = Traffic::default();
        let mut pump = Pump::new(client_end, upstream_end, &traffic, None);
        assert!(!pump.awaits_response());

        client.write_all(b"?").await.unwrap();
        assert!(timeout(SOON, pump.run()).await.is_err());
        assert!(pump.awaits_response());

        upstream.write_all(b"!").await.unwrap();
        assert!(timeout(SOON, pump.run()).await.is_err());
        assert!(!pump.awaits_response());
    }
}
