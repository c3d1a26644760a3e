//! Deadlines that account for pauses of this process. The process does no work during a pause, but
//! `tokio::time` counts the pause. So a pause restarts the time limit of a wait.

use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::error::Elapsed;
use tokio::time::{Instant, Sleep, timeout_at};

use super::pause_detector::{PauseDetector, PauseId};

/// Maximum number of restarts of one limit, so that a wait ends even if the process is paused again and again.
const MAX_RESTARTS: u8 = 3;

/// A time limit of a wait. Pauses of this process restart the limit, at most three times.
#[derive(Clone, Copy, Debug)]
struct RestartableLimit {
    duration: Duration,
    pauses: &'static PauseDetector,
    /// Last pause that restarted the limit, or the last pause before the wait.
    seen: PauseId,
    restarts: u8,
}

impl RestartableLimit {
    fn new(pauses: &'static PauseDetector, duration: Duration) -> Self {
        Self { duration, pauses, seen: pauses.last_noticed(), restarts: 0 }
    }

    /// Restarts the limit if the process was paused during the wait, and returns whether the limit
    /// restarted. The caller must call this only when the limit has passed.
    fn restart(&mut self) -> bool {
        let last = self.pauses.last();
        let may_restart = last != self.seen && self.restarts < MAX_RESTARTS;
        if may_restart {
            self.seen = last;
            self.restarts += 1;
        }
        may_restart
    }
}

/// A point in time by which an operation must have finished.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    at: Instant,
    limit: RestartableLimit,
}

impl Deadline {
    /// Returns a deadline that is `limit` from now. Pauses that `pauses` detects restart the limit.
    pub(crate) fn after(limit: Duration, pauses: &'static PauseDetector) -> Self {
        Self { at: Instant::now() + limit, limit: RestartableLimit::new(pauses, limit) }
    }

    /// Waits for `future` until this deadline.
    ///
    /// # Errors
    /// Fails if the deadline passes first.
    pub(crate) async fn bound<F: Future>(mut self, future: F) -> Result<F::Output, Elapsed> {
        let mut future = pin!(future);
        loop {
            match timeout_at(self.at, future.as_mut()).await {
                Err(_) if self.limit.restart() => self.at = Instant::now() + self.limit.duration,
                ended => return ended,
            }
        }
    }
}

/// Waits for `future`, at most for `limit`.
///
/// # Errors
/// Fails if the limit passes first.
pub(crate) async fn timeout<F: Future>(limit: Duration, future: F) -> Result<F::Output, Elapsed> {
    Deadline::after(limit, PauseDetector::global()).bound(future).await
}

/// Waits for `limit`.
pub(crate) async fn sleep(limit: Duration) {
    let _elapsed = timeout(limit, pending::<()>()).await;
}

/// A future that is ready after its time limit. The limit can be reset.
#[derive(Debug)]
pub(crate) struct Delay {
    sleep: Pin<Box<Sleep>>,
    limit: RestartableLimit,
}

impl Delay {
    pub(crate) fn new(limit: Duration) -> Self {
        let restartable = RestartableLimit::new(PauseDetector::global(), limit);
        Self { sleep: Box::pin(tokio::time::sleep(limit)), limit: restartable }
    }

    /// Resets the delay to a new deadline, with all restarts available again.
    pub(crate) fn reset(&mut self, deadline: Instant) {
        self.sleep.as_mut().reset(deadline);
        self.limit = RestartableLimit::new(self.limit.pauses, self.limit.duration);
    }
}

impl Future for Delay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.sleep.as_mut().poll(context));
            if !self.limit.restart() {
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

    /// Returns the number of seconds until `wait` ends. `pauses` contains the seconds at which the process
    /// is paused.
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
        // The cases are: no pause, one pause, two pauses within one limit, one pause per restart, and more
        // pauses than restarts.
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
    async fn wait_does_not_restart_for_an_earlier_pause() {
        PauseDetector::global().simulate_pause();
        assert_eq!(seconds_until(sleep(LIMIT), &[]).await, 5);
        let mut delay = Delay::new(LIMIT);
        PauseDetector::global().simulate_pause();
        delay.reset(Instant::now() + LIMIT);
        assert_eq!(seconds_until(delay, &[]).await, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn completion_during_the_restart_is_in_time() {
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
