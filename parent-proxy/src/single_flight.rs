//! Coalesces concurrent calls of an expensive computation.

use std::fmt;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// A computation whose concurrent callers share one run.
///
/// The struct holds the last result and the start time of the run that computed it. A caller that called
/// before that time uses this result. The lock permits one run at a time, so two runs serve any number of
/// concurrent callers: the present run, and one for all that called during it.
pub(crate) struct SingleFlight<T>(Mutex<Option<(Instant, T)>>);

impl<T: Clone> SingleFlight<T> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Returns the result of a run that started after this call. The run is `compute`, or the `compute` of
    /// another caller.
    pub(crate) async fn run(&self, compute: impl AsyncFnOnce() -> T) -> T {
        let called = Instant::now();
        let mut last = self.0.lock().await;
        if let Some((begun, result)) = &*last
            && *begun >= called
        {
            return result.clone();
        }
        // The old result is dropped before the next result exists, because both may be large.
        *last = None;
        let begun = Instant::now();
        let result = compute().await;
        *last = Some((begun, result.clone()));
        result
    }
}

impl<T> fmt::Debug for SingleFlight<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SingleFlight(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn concurrent_callers_share_a_run_that_began_after_their_call() {
        let (flight, runs, may_end) = (SingleFlight::new(), Cell::new(0), Semaphore::new(0));
        let compute = async || {
            runs.set(runs.get() + 1);
            may_end.acquire().await.unwrap().forget();
            runs.get()
        };
        let all = tokio::join!(
            flight.run(compute),
            flight.run(compute),
            flight.run(compute),
            flight.run(compute),
            async { may_end.add_permits(2) },
        );
        assert_eq!(all, (1, 2, 2, 2, ()));
        may_end.add_permits(1);
        assert_eq!(flight.run(compute).await, 3);
    }
}
