//! The timeouts of HTTP connections, and the timers that enforce them.
//!
//! The timers restart after a pause of this process. Without the restart, a pause would close connections
//! whose clients were paused at the same time. The crate `tokio-io-timeout` (1.2.1) is not used, because its
//! timer does not restart.

use std::future::Future;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::clock::Delay;

/// Maximum time to receive the PROXY header of a client connection. The relay sends it immediately.
pub(super) const PROXY_HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum time to receive the header of a request, and maximum idle time between two requests.
pub(super) const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Maximum time to receive the body of a request after its header.
pub(super) const BODY_READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum age of a connection. After this time, the server closes the connection at the end of the current request.
pub(super) const CONNECTION_LIFETIME: Duration = Duration::from_secs(3600);

/// The timer that hyper uses for the header timeout. The timer restarts after a pause of this process.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeaderTimer {
    /// The only duration that hyper waits for on this timer.
    pub(super) limit: Duration,
}

impl Timer for HeaderTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(HeaderDelay(Delay::new(duration)))
    }

    fn sleep_until(&self, _deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(self.limit)
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into()
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, new_deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<HeaderDelay>() {
            Some(mut delay) => delay.0.reset(new_deadline.into()),
            None => *sleep = self.sleep_until(new_deadline),
        }
    }
}

struct HeaderDelay(Delay);

impl Future for HeaderDelay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl Sleep for HeaderDelay {}

/// A stream whose writes fail if no write makes progress within a time limit.
#[derive(Debug)]
pub(super) struct WriteTimeoutStream<S> {
    stream: S,
    limit: Duration,
    /// The delay since a write became pending. `None` while no write is pending.
    stall_delay: Option<Delay>,
}

impl<S> WriteTimeoutStream<S> {
    pub(super) fn new(stream: S, limit: Duration) -> Self {
        Self { stream, limit, stall_delay: None }
    }

    fn fail_if_stalled<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stall_delay = None;
            return written;
        }
        let stall_delay = self.stall_delay.get_or_insert_with(|| Delay::new(self.limit));
        match Pin::new(stall_delay).poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteTimeoutStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteTimeoutStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.fail_if_stalled(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.fail_if_stalled(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.fail_if_stalled(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut_down = Pin::new(&mut self.stream).poll_shutdown(context);
        self.fail_if_stalled(context, shut_down)
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::{Instant, pause, sleep, timeout};

    use super::{Duration, ErrorKind, HEADER_READ_TIMEOUT, WriteTimeoutStream};
    use crate::clock::PauseDetector;
    use crate::http::Server;
    use crate::http::peer_policy::Peer;
    use crate::platform::test_platform;

    const LIMIT: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn header_time_out_restarts_after_a_pause() {
        let server = Server::new(test_platform::service().await);
        // The clock is paused only after the start. The start waits for the NSM thread, which does not use tokio's
        // clock.
        pause();
        let (mut client, stream) = duplex(1024);
        let start = Instant::now();
        let paused = async {
            sleep(HEADER_READ_TIMEOUT / 2).await;
            PauseDetector::global().simulate_pause();
        };
        let (read, (), ()) =
            tokio::join!(client.read_u8(), server.serve(stream, Peer::Unix, pending()), paused);
        read.unwrap_err();
        assert_eq!(start.elapsed().as_secs(), 2 * HEADER_READ_TIMEOUT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn stalled_write_times_out() {
        let (_client, server) = duplex(16);
        let mut server = WriteTimeoutStream::new(server, LIMIT);
        let written = timeout(2 * LIMIT, server.write_all(&[0; 17])).await.unwrap();
        assert_eq!(written.unwrap_err().kind(), ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn slow_reader_does_not_time_out() {
        let (mut client, server) = duplex(16);
        let mut server = WriteTimeoutStream::new(server, LIMIT);
        let reads = async {
            for _ in 0..10 {
                sleep(LIMIT / 2).await;
                client.read_exact(&mut [0; 16]).await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(server.write_all(&[0; 160]), reads);
        written.unwrap();
    }
}
