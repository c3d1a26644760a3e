//! A pool of threads for the expensive cryptography of requests with a `Recipient`: the verification of
//! signatures and the encryption of responses. These operations take a millisecond or more per request. On
//! the connection threads, these operations would delay other requests, which take about a hundredth of
//! that time.
//!
//! The pool is an asynchronous runtime. So a request that waits, for example for the NSM, does not block a
//! thread of the pool. The pool limits the number of requests in it, and rejects further requests at once.
//! A longer queue would only make all requests wait longer.

use std::future::Future;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use thiserror::Error;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use transport::limits::REQUESTS_PER_CRYPTO_THREAD;

/// A pool of threads, with a limit on the number of requests in it.
#[derive(Debug)]
pub(crate) struct CryptoPool {
    /// The runtime. `None` only during the drop of the pool.
    runtime: Option<Runtime>,
    permits: Arc<Semaphore>,
}

/// The reason why the pool did not finish a request.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum CryptoPoolError {
    /// The pool has reached its limit of requests.
    #[error("too many requests with a Recipient are in progress")]
    Full,
    /// The work panicked, or the service is shutting down.
    #[error("the work for a request did not finish")]
    Unfinished,
}

impl CryptoPool {
    /// Starts a pool with this number of threads.
    ///
    /// # Errors
    /// Fails if a thread cannot be started.
    pub(crate) fn start(threads: NonZeroUsize) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.get())
            .thread_name("crypto-pool")
            .enable_time()
            .build()?;
        let permits = threads.get().saturating_mul(REQUESTS_PER_CRYPTO_THREAD);
        Ok(Self { runtime: Some(runtime), permits: Arc::new(Semaphore::new(permits)) })
    }

    /// Runs `work` on a thread of the pool. Dropping the returned future cancels the work.
    ///
    /// # Errors
    /// Fails if the pool is full, or if the work does not finish.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, CryptoPoolError> {
        let permit =
            Arc::clone(&self.permits).try_acquire_owned().map_err(|_| CryptoPoolError::Full)?;
        let runtime = self.runtime.as_ref().ok_or(CryptoPoolError::Unfinished)?;
        let work = runtime.spawn(async move {
            // The permit is returned when the work ends, even if the work panics or is cancelled.
            let _permit = permit;
            work.await
        });
        AbortOnDrop(work).wait().await
    }
}

#[cfg(test)]
impl CryptoPool {
    /// Returns the number of further requests that the pool accepts.
    pub(crate) fn free_permits(&self) -> usize {
        self.permits.available_permits()
    }

    /// Returns whether the pool rejects further requests.
    pub(crate) fn is_full(&self) -> bool {
        self.free_permits() == 0
    }
}

/// Returns the default number of threads: one per processor.
pub(crate) fn default_threads() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

impl Drop for CryptoPool {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // The pool is often dropped on a thread that must not block, so this function does not wait for the
            // threads.
            runtime.shutdown_background();
        }
    }
}

/// A task that is aborted when its handle is dropped.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> AbortOnDrop<T> {
    async fn wait(mut self) -> Result<T, CryptoPoolError> {
        (&mut self.0).await.map_err(|_| CryptoPoolError::Unfinished)
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::sync::oneshot;
    use tokio::task::yield_now;

    use super::*;

    fn one() -> CryptoPool {
        CryptoPool::start(NonZeroUsize::MIN).unwrap()
    }

    #[tokio::test]
    async fn full_pool_rejects_work_until_a_permit_is_returned() {
        let pool = Arc::new(one());
        let mut waiting = Vec::new();
        for _ in 0..REQUESTS_PER_CRYPTO_THREAD {
            let pool = Arc::clone(&pool);
            waiting.push(tokio::spawn(async move { pool.run(pending::<()>()).await }));
        }
        while !pool.is_full() {
            yield_now().await;
        }
        assert_eq!(pool.run(async {}).await, Err(CryptoPoolError::Full));
        // The client of one request disconnects.
        waiting.pop().unwrap().abort();
        while pool.is_full() {
            yield_now().await;
        }
        assert_eq!(pool.run(async { 7 }).await, Ok(7));
    }

    #[tokio::test]
    async fn waiting_work_holds_no_thread() {
        let pool = one();
        let (sender, receiver) = oneshot::channel();
        let waits = pool.run(async { receiver.await.unwrap() });
        let wakes = pool.run(async { sender.send(7).unwrap() });
        assert_eq!(tokio::join!(waits, wakes), (Ok(7), Ok(())));
    }

    #[tokio::test]
    async fn panicking_work_returns_unfinished_and_frees_its_permit() {
        let pool = one();
        for _ in 0..2 * REQUESTS_PER_CRYPTO_THREAD {
            assert_eq!(
                pool.run(async { panic!("a panic of this test") }).await,
                Err::<(), _>(CryptoPoolError::Unfinished)
            );
        }
        assert_eq!(pool.run(async { 7 }).await, Ok(7));
    }

    #[tokio::test]
    async fn work_runs_on_another_thread_than_its_caller() {
        let here = thread::current().id();
        let there = one().run(async { thread::current().id() }).await.unwrap();
        assert_ne!(here, there);
    }
}
