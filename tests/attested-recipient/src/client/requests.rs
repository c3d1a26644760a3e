//! Runs the futures of clients on a thread of their own, so that callers inside and outside of an asynchronous
//! runtime can block.

use std::future::Future;
use std::io;
use std::sync::{LazyLock, mpsc};

use tokio::runtime::{Builder, Runtime};

use super::error::ClientError;

/// The runtime of all clients of this process. It has one thread, which ends with the process.
static RUNTIME: LazyLock<io::Result<Runtime>> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("recipient-client")
        .enable_all()
        .build()
});

/// Runs `future`, and blocks until it has finished.
pub(super) fn run<T: Send + 'static>(
    future: impl Future<Output = Result<T, ClientError>> + Send + 'static,
) -> Result<T, ClientError> {
    let runtime = RUNTIME.as_ref().map_err(|error| ClientError::Thread(error.to_string()))?;
    let (sender, receiver) = mpsc::channel();
    // The receiver exists until the result arrives.
    drop(runtime.spawn(async move { drop(sender.send(future.await)) }));
    let ended = |_| Err(ClientError::Thread("the request ended without a result".to_owned()));
    receiver.recv().unwrap_or_else(ended)
}
