//! Deadlines that a pause of this process moves: what waited is given its time once more, since nothing could
//! happen meanwhile. `tokio::time` takes the pause for time that was given.

use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::error::Elapsed;
use tokio::time::{Instant, Sleep, timeout_at};

use super::pause_detector::{PauseDetector, PauseId};

/// How often one wait is given its time once more: it ends, however often this process is paused.
const MAX_RENEWALS: u8 = 3;

/// How long something may take while this process runs.
#[derive(Clone, Copy, Debug)]
struct RenewableLimit {
    duration: Duration,
    pauses: &'static PauseDetector,
    /// The last pause that is accounted for.
    seen: PauseId,
    renewals: u8,
}

impl RenewableLimit {
    fn new(pauses: &'static PauseDetector, duration: Duration) -> Self {
        Self { duration, pauses, seen: pauses.last_noticed(), renewals: 0 }
    }

    /// Returns whether all of the limit is given once more, now that it has passed.
    fn renew(&mut self) -> bool {
        let last = self.pauses.last();
        let renews = last != self.seen && self.renewals < MAX_RENEWALS;
        if renews {
            self.seen = last;
            self.renewals += 1;
        }
        renews
    }
}

/// A moment by which something must have happened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    at: Instant,
    limit: RenewableLimit,
}

impl Deadline {
    /// Returns one that is over after `limit`, and that these pauses move.
    pub(crate) fn after(limit: Duration, pauses: &'static PauseDetector) -> Self {
        Self { at: Instant::now() + limit, limit: RenewableLimit::new(pauses, limit) }
    }

    /// Waits for `future` until this deadline.
    ///
    /// # Errors
    /// If the deadline comes first.
    pub(crate) async fn bound<F: Future>(mut self, future: F) -> Result<F::Output, Elapsed> {
        let mut future = pin!(future);
        loop {
            match timeout_at(self.at, future.as_mut()).await {
                Err(_) if self.limit.renew() => self.at = Instant::now() + self.limit.duration,
                ended => return ended,
            }
        }
    }
}

/// Waits for `future`, for `limit` at most.
///
/// # Errors
/// If it takes longer.
pub(crate) async fn timeout<F: Future>(limit: Duration, future: F) -> Result<F::Output, Elapsed> {
    Deadline::after(limit, PauseDetector::global()).bound(future).await
}

/// Waits for `limit`.
pub(crate) async fn sleep(limit: Duration) {
    let _elapsed = timeout(limit, pending::<()>()).await;
}

/// A future that is ready after its limit, and can be set back.
#[derive(Debug)]
pub(crate) struct Delay {
    sleep: Pin<Box<Sleep>>,
    limit: RenewableLimit,
}

impl Delay {
    pub(crate) fn new(limit: Duration) -> Self {
        let renewable = RenewableLimit::new(PauseDetector::global(), limit);
        Self { sleep: Box::pin(tokio::time::sleep(limit)), limit: renewable }
    }

    /// Begins anew.
    pub(crate) fn reset(&mut self, deadline: Instant) {
        self.sleep.as_mut().reset(deadline);
        self.limit = RenewableLimit::new(self.limit.pauses, self.limit.duration);
    }
}

impl Future for Delay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.sleep.as_mut().poll(context));
            if !self.limit.renew() {
                return Poll::Ready(());
            }
            let deadline = Instant::now() + self.limit.duration;
            self.sleep.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    /// Seconds until `wait` is over, while the process is paused at these.
    async fn seconds_until(wait: impl Future<Output = ()>, pauses: &[u64]) -> u64 {
        let start = Instant::now();
        let paused = async {
            for second in pauses {
                tokio::time::sleep_until(start + Duration::from_secs(*second)).await;
                PauseDetector::global().simulate_pause();
            }
            pending::<()>().await;
        };
        tokio::select! {
            () = wait => start.elapsed().as_secs(),
            () = paused => unreachable!(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn wait_restarts_after_each_of_three_pauses() {
        // None, one, two within one limit, one in each renewal, and more than are allowed for.
        for (pauses, seconds) in [
            (&[][..], 5),
            (&[1], 10),
            (&[1, 2], 10),
            (&[1, 6], 15),
            (&[1, 6, 11], 20),
            (&[1, 6, 11, 16, 21], 20),
        ] {
            assert_eq!(seconds_until(sleep(LIMIT), pauses).await, seconds, "sleep, {pauses:?}");
            assert_eq!(
                seconds_until(Delay::new(LIMIT), pauses).await,
                seconds,
                "Delay, {pauses:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn wait_is_not_extended_by_an_earlier_pause() {
        PauseDetector::global().simulate_pause();
        assert_eq!(seconds_until(sleep(LIMIT), &[]).await, 5);
        let mut delay = Delay::new(LIMIT);
        PauseDetector::global().simulate_pause();
        delay.reset(Instant::now() + LIMIT);
        assert_eq!(seconds_until(delay, &[]).await, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn completion_during_the_renewal_is_in_time() {
        let happens = async {
            tokio::time::sleep(LIMIT - Duration::from_millis(1)).await;
            PauseDetector::global().simulate_pause();
            tokio::time::sleep(LIMIT).await;
        };
        assert_eq!(timeout(LIMIT, happens).await, Ok(()));
        let never_paused = tokio::time::sleep(LIMIT + Duration::from_millis(1));
        assert!(timeout(LIMIT, never_paused).await.is_err());
    }
}
