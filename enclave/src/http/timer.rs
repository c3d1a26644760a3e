//! hyper's timer, by which it ends a connection whose next request does not come.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};

use crate::clock::Delay;

/// A timer for one time-out, which begins anew after a pause of this process.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadTimer {
    /// The only duration that is waited for.
    pub(super) limit: Duration,
}

impl Timer for ReadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(ReadDelay(Delay::new(duration)))
    }

    fn sleep_until(&self, _deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(self.limit)
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into()
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, new_deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<ReadDelay>() {
            Some(mut delay) => delay.0.reset(new_deadline.into()),
            None => *sleep = self.sleep_until(new_deadline),
        }
    }
}

struct ReadDelay(Delay);

impl Future for ReadDelay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl Sleep for ReadDelay {}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::io::{AsyncReadExt, duplex};
    use tokio::time::{Instant, pause, sleep};
    use transport::limits::HEADER_READ_TIMEOUT;

    use crate::clock::Pauses;
    use crate::http::Server;
    use crate::http::entrance::Peer;
    use crate::platform::fake;

    #[tokio::test]
    async fn keeps_an_idle_connection_for_its_time_once_more_after_a_pause() {
        let server = Server::new(fake::service().await);
        // The module's thread, which the start waits for, knows no such time.
        pause();
        let (mut client, stream) = duplex(1024);
        let start = Instant::now();
        let paused = async {
            sleep(HEADER_READ_TIMEOUT / 2).await;
            Pauses::of_process().make_up();
        };
        let (read, (), ()) =
            tokio::join!(client.read_u8(), server.serve(stream, Peer::Unix, pending()), paused);
        read.unwrap_err();
        assert_eq!(start.elapsed().as_secs(), 2 * HEADER_READ_TIMEOUT.as_secs());
    }
}
