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
