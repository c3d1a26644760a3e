//! Deadlines that a pause of this process moves: what waited is given its time once more, since nothing could
//! happen meanwhile. `tokio::time` takes the pause for time that was given.

use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::error::Elapsed;
use tokio::time::{Instant, Sleep, timeout_at};

use super::pauses::{PauseId, Pauses};

/// How often one wait is given its time once more: it ends, however often this process is paused.
const MAX_RENEWALS: u8 = 3;

/// How long something may take while this process runs.
#[derive(Clone, Copy, Debug)]
struct Patience {
    limit: Duration,
    pauses: &'static Pauses,
    /// The last pause that is accounted for.
    seen: PauseId,
    renewals: u8,
}

impl Patience {
    fn new(pauses: &'static Pauses, limit: Duration) -> Self {
        Self { limit, pauses, seen: pauses.noticed(), renewals: 0 }
    }

    /// Returns whether all of the limit is given once more, now that it has passed.
    fn renews(&mut self) -> bool {
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
    patience: Patience,
}

impl Deadline {
    /// Returns one that is over after `limit`, and that these pauses move.
    pub(crate) fn after(limit: Duration, pauses: &'static Pauses) -> Self {
        Self { at: Instant::now() + limit, patience: Patience::new(pauses, limit) }
    }

    /// Waits for `future` until this deadline.
    ///
    /// # Errors
    /// If the deadline comes first.
    pub(crate) async fn bound<F: Future>(mut self, future: F) -> Result<F::Output, Elapsed> {
        let mut future = pin!(future);
        loop {
            match timeout_at(self.at, future.as_mut()).await {
                Err(_) if self.patience.renews() => self.at = Instant::now() + self.patience.limit,
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
    Deadline::after(limit, Pauses::of_process()).bound(future).await
}

/// Waits for `limit`.
pub(crate) async fn sleep(limit: Duration) {
    let _elapsed = timeout(limit, pending::<()>()).await;
}

/// A future that is ready after its limit, and can be set back.
#[derive(Debug)]
pub(crate) struct Delay {
    sleep: Pin<Box<Sleep>>,
    patience: Patience,
}

impl Delay {
    pub(crate) fn new(limit: Duration) -> Self {
        let patience = Patience::new(Pauses::of_process(), limit);
        Self { sleep: Box::pin(tokio::time::sleep(limit)), patience }
    }

    /// Begins anew.
    pub(crate) fn reset(&mut self, deadline: Instant) {
        self.sleep.as_mut().reset(deadline);
        self.patience = Patience::new(self.patience.pauses, self.patience.limit);
    }
}

impl Future for Delay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.sleep.as_mut().poll(context));
            if !self.patience.renews() {
                return Poll::Ready(());
            }
            let deadline = Instant::now() + self.patience.limit;
            self.sleep.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    /// Seconds until `wait` is over, while the process is paused at these.
    async fn took(wait: impl Future<Output = ()>, pauses: &[u64]) -> u64 {
        let start = Instant::now();
        let paused = async {
            for second in pauses {
                tokio::time::sleep_until(start + Duration::from_secs(*second)).await;
                Pauses::of_process().make_up();
            }
            pending::<()>().await;
        };
        tokio::select! {
            () = wait => start.elapsed().as_secs(),
            () = paused => unreachable!(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_is_given_its_time_once_more_for_each_of_three_pauses() {
        // None, one, two within one limit, one in each renewal, and more than are allowed for.
        for (pauses, seconds) in [
            (&[][..], 5),
            (&[1], 10),
            (&[1, 2], 10),
            (&[1, 6], 15),
            (&[1, 6, 11], 20),
            (&[1, 6, 11, 16, 21], 20),
        ] {
            assert_eq!(took(sleep(LIMIT), pauses).await, seconds, "sleep, {pauses:?}");
            assert_eq!(took(Delay::new(LIMIT), pauses).await, seconds, "Delay, {pauses:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_before_the_wait_gives_it_no_more_time() {
        Pauses::of_process().make_up();
        assert_eq!(took(sleep(LIMIT), &[]).await, 5);
        let mut delay = Delay::new(LIMIT);
        Pauses::of_process().make_up();
        delay.reset(Instant::now() + LIMIT);
        assert_eq!(took(delay, &[]).await, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn what_happens_during_the_renewal_is_in_time() {
        let happens = async {
            tokio::time::sleep(LIMIT - Duration::from_millis(1)).await;
            Pauses::of_process().make_up();
            tokio::time::sleep(LIMIT).await;
        };
        assert_eq!(timeout(LIMIT, happens).await, Ok(()));
        let never_paused = tokio::time::sleep(LIMIT + Duration::from_millis(1));
        assert!(timeout(LIMIT, never_paused).await.is_err());
    }
}
