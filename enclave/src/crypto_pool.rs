//! Threads for what is dear: signatures and seals, a millisecond and more for one request. On the threads
//! that serve connections it would hold up all others, whose requests take a hundredth of that.
//!
//! They are a runtime of their own, so that what waits, such as for the NSM, holds none of them. Who finds
//! all places taken is told so at once: a queue without end would only let everybody wait.

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

/// The threads, and how many requests may be with them.
#[derive(Debug)]
pub(crate) struct CryptoPool {
    /// Taken when this is dropped.
    runtime: Option<Runtime>,
    permits: Arc<Semaphore>,
}

/// Why a request was not worked on.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum CryptoPoolError {
    /// As many are there as may be.
    #[error("too many requests with a Recipient are in progress")]
    Full,
    /// Its work panicked, or the service ends.
    #[error("the work for a request did not finish")]
    Unfinished,
}

impl CryptoPool {
    /// So many threads.
    ///
    /// # Errors
    /// If there are none to be had.
    pub(crate) fn start(threads: NonZeroUsize) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.get())
            .thread_name("crypto-pool")
            .enable_time()
            .build()?;
        let permits = threads.get().saturating_mul(REQUESTS_PER_CRYPTO_THREAD);
        Ok(Self { runtime: Some(runtime), permits: Arc::new(Semaphore::new(permits)) })
    }

    /// Does `work` on one of the threads, in its turn. Whoever stops waiting for it ends it.
    ///
    /// # Errors
    /// If there is no place, or the work is not finished.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, CryptoPoolError> {
        let permit =
            Arc::clone(&self.permits).try_acquire_owned().map_err(|_| CryptoPoolError::Full)?;
        let runtime = self.runtime.as_ref().ok_or(CryptoPoolError::Unfinished)?;
        let work = runtime.spawn(async move {
            // Free again when the work is done, however it ends.
            let _permit = permit;
            work.await
        });
        AbortOnDrop(work).wait().await
    }
}

#[cfg(test)]
impl CryptoPool {
    /// Returns the number of requests that may still come.
    pub(crate) fn free_permits(&self) -> usize {
        self.permits.available_permits()
    }

    /// Returns whether no more requests can come.
    pub(crate) fn is_full(&self) -> bool {
        self.free_permits() == 0
    }
}

/// As many as there are processors.
pub(crate) fn default_threads() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

impl Drop for CryptoPool {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Often on a thread that must not block.
            runtime.shutdown_background();
        }
    }
}

/// Work that ends when nobody waits for it any more.
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
        // A client that goes away.
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
