//! Limits the number and the duration of concurrent handshakes.
//!
//! Each handshake in progress holds a permit. Without a limit on the number of permits, a flood of clients that
//! start a handshake and then stop would use all memory. With the limit, the flood would hold all permits.
//! Therefore the maximum duration of a handshake depends on the load:
//!
//! - While permits are free, a handshake may take [`HANDSHAKE_TIMEOUT`].
//! - While other handshakes wait for a permit, a handshake is evicted after [`HANDSHAKE_TIMEOUT_WHEN_FULL`].

use std::future::IntoFuture;
use std::io;

use thiserror::Error;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use transport::limits::{HANDSHAKE_TIMEOUT, HANDSHAKE_TIMEOUT_WHEN_FULL, MAX_HANDSHAKES};

use crate::clock::{Deadline, PauseDetector, sleep};

/// The error for a handshake that did not succeed.
#[derive(Debug, Error)]
pub(crate) enum HandshakeError {
    /// The client closed the connection, or its messages are not acceptable TLS.
    #[error("the handshake failed: {0}")]
    Failed(#[source] io::Error),
    /// The handshake, including the wait for a permit, exceeded the deadline.
    #[error("the handshake timed out after {} s", HANDSHAKE_TIMEOUT.as_secs())]
    TimedOut,
    /// The handshake took too long while other handshakes waited for a permit.
    #[error(
        "the handshake was evicted after {} s, because other connections waited",
        HANDSHAKE_TIMEOUT_WHEN_FULL.as_secs()
    )]
    Evicted,
}

/// The permits for concurrent handshakes.
#[derive(Debug)]
pub(super) struct HandshakeLimiter {
    permits: Semaphore,
    waiting: watch::Sender<usize>,
}

impl HandshakeLimiter {
    pub(super) fn new() -> Self {
        Self { permits: Semaphore::new(MAX_HANDSHAKES), waiting: watch::Sender::new(0) }
    }

    /// Performs a handshake as soon as a permit is free. The deadline includes the wait for the permit.
    pub(super) async fn perform<T, F>(
        &self,
        handshake: impl FnOnce() -> F,
    ) -> Result<T, HandshakeError>
    where
        F: IntoFuture<Output = io::Result<T>>,
    {
        let performed = async {
            let _permit = self.permit().await;
            tokio::select! {
                biased;
                done = handshake().into_future() => done.map_err(HandshakeError::Failed),
                () = self.evictable() => Err(HandshakeError::Evicted),
            }
        };
        let deadline = Deadline::after(HANDSHAKE_TIMEOUT, PauseDetector::global());
        deadline.bound(performed).await.unwrap_or(Err(HandshakeError::TimedOut))
    }

    async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        if let Ok(permit) = self.permits.try_acquire() {
            return Some(permit);
        }
        let _waiting = WaiterGuard::begin(&self.waiting);
        // The semaphore is never closed.
        self.permits.acquire().await.ok()
    }

    /// Completes once two conditions hold: this handshake has held its permit for [`HANDSHAKE_TIMEOUT_WHEN_FULL`],
    /// and another handshake waits for a permit.
    async fn evictable(&self) {
        let mut waiting = self.waiting.subscribe();
        sleep(HANDSHAKE_TIMEOUT_WHEN_FULL).await;
        // The wait fails only if the sender is dropped, but `self` owns the sender.
        let _ = waiting.wait_for(|waiting| *waiting > 0).await;
    }
}

/// A guard that counts one waiting handshake.
struct WaiterGuard<'a>(&'a watch::Sender<usize>);

impl<'a> WaiterGuard<'a> {
    fn begin(waiting: &'a watch::Sender<usize>) -> Self {
        waiting.send_modify(|waiting| *waiting += 1);
        Self(waiting)
    }
}

impl Drop for WaiterGuard<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting -= 1);
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::task::JoinSet;
    use tokio::time::Instant;

    use super::*;

    /// Starts handshakes that never finish.
    fn flood(handshakes: &Arc<HandshakeLimiter>, clients: usize) -> JoinSet<HandshakeError> {
        let mut flood = JoinSet::new();
        for _ in 0..clients {
            let handshakes = Arc::clone(handshakes);
            flood.spawn(
                async move { handshakes.perform(pending::<io::Result<()>>).await.unwrap_err() },
            );
        }
        flood
    }

    /// Performs a handshake that finishes before it could be evicted.
    async fn normal_client() -> io::Result<u8> {
        sleep(HANDSHAKE_TIMEOUT_WHEN_FULL / 2).await;
        Ok(7)
    }

    #[track_caller]
    fn assert_timed_out_at_deadline<T>(start: Instant, result: &Result<T, HandshakeError>) {
        assert!(matches!(result, Err(HandshakeError::TimedOut)));
        let timed_out = start.elapsed() - HANDSHAKE_TIMEOUT;
        assert!(timed_out < Duration::from_millis(10), "{timed_out:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn silent_client_keeps_its_permit_until_the_deadline() {
        let handshakes = Arc::new(HandshakeLimiter::new());
        let start = Instant::now();
        let mut flood = flood(&handshakes, MAX_HANDSHAKES);
        while let Some(ended) = flood.join_next().await {
            assert!(matches!(ended.unwrap(), HandshakeError::TimedOut));
            assert!(start.elapsed() >= HANDSHAKE_TIMEOUT);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn normal_client_gets_a_permit_during_a_flood() {
        let handshakes = Arc::new(HandshakeLimiter::new());
        let mut flood = flood(&handshakes, 3 * MAX_HANDSHAKES);
        // Waits until all silent clients hold or wait for a permit.
        while *handshakes.waiting.borrow() < 2 * MAX_HANDSHAKES {
            tokio::task::yield_now().await;
        }
        // The flood has three times as many clients as permits. The first normal client waits until all three thirds of
        // the flood have been evicted. The second normal client does not wait.
        for max_timeouts in [4, 1] {
            let start = Instant::now();
            assert_eq!(handshakes.perform(normal_client).await.unwrap(), 7);
            let elapsed = start.elapsed();
            assert!(elapsed < max_timeouts * HANDSHAKE_TIMEOUT_WHEN_FULL, "{elapsed:?}");
        }
        flood.shutdown().await;
        // Dropped handshakes are no longer counted.
        assert_eq!(*handshakes.waiting.borrow(), 0);
        assert_eq!(handshakes.permits.available_permits(), MAX_HANDSHAKES);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_for_a_permit_times_out_at_the_deadline() {
        let handshakes = HandshakeLimiter::new();
        let all = u32::try_from(MAX_HANDSHAKES).unwrap();
        let _held = handshakes.permits.acquire_many(all).await.unwrap();
        let start = Instant::now();
        let result = handshakes.perform(normal_client).await;
        assert_timed_out_at_deadline(start, &result);
    }

    #[tokio::test(start_paused = true)]
    async fn deadline_includes_the_wait_for_a_permit() {
        let handshakes = HandshakeLimiter::new();
        let all = u32::try_from(MAX_HANDSHAKES).unwrap();
        let held = handshakes.permits.acquire_many(all).await.unwrap();
        let start = Instant::now();
        let frees = async {
            sleep(HANDSHAKE_TIMEOUT - HANDSHAKE_TIMEOUT_WHEN_FULL).await;
            drop(held);
        };
        let (result, ()) = tokio::join!(handshakes.perform(pending::<io::Result<()>>), frees);
        assert_timed_out_at_deadline(start, &result);
    }

    #[tokio::test(start_paused = true)]
    async fn evicts_long_handshake_for_a_new_client() {
        let handshakes = Arc::new(HandshakeLimiter::new());
        let mut flood = flood(&handshakes, MAX_HANDSHAKES);
        sleep(3 * HANDSHAKE_TIMEOUT_WHEN_FULL).await;
        assert_eq!(handshakes.permits.available_permits(), 0);
        let start = Instant::now();
        assert_eq!(handshakes.perform(normal_client).await.unwrap(), 7);
        assert!(start.elapsed() < HANDSHAKE_TIMEOUT_WHEN_FULL, "{:?}", start.elapsed());
        flood.shutdown().await;
    }

    #[tokio::test(start_paused = true)]
    async fn deadline_is_extended_after_a_pause() {
        let almost_all = HANDSHAKE_TIMEOUT - Duration::from_millis(1);
        let handshakes = HandshakeLimiter::new();
        for paused in [true, false] {
            let handshake = || async move {
                tokio::time::sleep(almost_all).await;
                if paused {
                    PauseDetector::global().simulate_pause();
                }
                tokio::time::sleep(almost_all).await;
                Ok(())
            };
            assert_eq!(handshakes.perform(handshake).await.is_ok(), paused);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn failed_handshake_returns_its_error() {
        let handshakes = HandshakeLimiter::new();
        let fails = || async { Err::<(), _>(io::ErrorKind::InvalidData.into()) };
        assert!(matches!(handshakes.perform(fails).await, Err(HandshakeError::Failed(_))));
    }
}
