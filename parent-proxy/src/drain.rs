//! Drains connections after SIGTERM, or once a successor serves. Idle connections are closed after one
//! second. At the drain timeout, the remaining connections are aborted.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

/// Time without a byte after which a draining connection that awaits no response is closed. This time
/// suffices for a client that has just received a response to send its next request. It is short, so that
/// idle keep-alive clients do not delay the shutdown.
pub(crate) const MAX_IDLE_WHILE_DRAINING: Duration = Duration::from_secs(1);

/// The result of a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainReport {
    /// Number of connections that were aborted at the drain timeout.
    pub aborted: usize,
}

/// Waits until all connections of one thread have ended, until `limit` has passed, or until the relay is
/// dropped. Then aborts the remaining connections, and returns their number.
pub(crate) async fn drain(
    mut connections: JoinSet<()>,
    limit: Duration,
    mut draining: watch::Receiver<bool>,
) -> usize {
    draining.mark_unchanged();
    let finish = async {
        while let Some(ended) = connections.join_next().await {
            log_panic(ended);
        }
    };
    tokio::select! {
        _ = timeout(limit, finish) => {}
        // The value of `draining` never changes again, so `changed` returns only once the sender is dropped.
        _ = draining.changed() => {}
    }
    let aborted = connections.len();
    connections.shutdown().await;
    aborted
}

/// Logs the panic of a connection's task.
pub(crate) fn log_panic(ended: Result<(), JoinError>) {
    match ended {
        // A cancelled task is an evicted connection.
        Err(error) if error.is_panic() => {
            tracing::error!(%error, "connection task panicked");
        }
        Ok(()) | Err(_) => {}
    }
}
