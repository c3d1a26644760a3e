//! The end of a drain, after SIGTERM or once a successor serves: when a connection is closed, and when the rest are
//! aborted.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

/// While draining, a connection between two requests may be quiet for this long. Long enough for a
/// client that has just been answered to send its next request; a keep-alive client at rest must
/// not hold up the end.
pub(crate) const MAX_IDLE_WHILE_DRAINING: Duration = Duration::from_secs(1);

/// How the last connections ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainReport {
    /// Connections that were still open at the drain timeout.
    pub aborted: usize,
}

/// Waits until all connections of one thread have ended, for `limit` at most, or while the relay exists. Then aborts
/// the others, and returns how many.
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
        // An error is all that can still come.
        _ = draining.changed() => {}
    }
    let aborted = connections.len();
    connections.shutdown().await;
    aborted
}

/// Logs a panic of a connection's task.
pub(crate) fn log_panic(ended: Result<(), JoinError>) {
    match ended {
        // Cancelled, it was evicted.
        Err(error) if error.is_panic() => {
            tracing::error!(%error, "connection task panicked");
        }
        Ok(()) | Err(_) => {}
    }
}
