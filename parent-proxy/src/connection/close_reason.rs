//! The reason for the end of a connection, and its log line.

use std::io;

use thiserror::Error;
use tokio::time::Instant;
use transport::ConnectionId;

/// The reason for the end of a connection.
#[derive(Debug, Error)]
pub(super) enum CloseReason {
    #[error("both sides closed the connection")]
    BothClosed,
    #[error("the enclave closed the connection first")]
    UpstreamClosed,
    #[error("no byte within the idle timeout, or within 1 s while draining")]
    Idle,
    #[error("no response from an enclave that fails its health checks")]
    Unresponsive,
    #[error("total timeout reached")]
    TotalTimeout,
    #[error("connection failed: {0}")]
    Io(io::Error),
}

/// A guard that logs the end of a connection, including the abort of its task.
pub(super) struct CloseLog {
    pub(super) connection: ConnectionId,
    pub(super) accepted: Instant,
    pub(super) reason: Option<CloseReason>,
}

impl Drop for CloseLog {
    fn drop(&mut self) {
        let (connection, duration_seconds) =
            (self.connection, self.accepted.elapsed().as_secs_f64());
        match &self.reason {
            Some(reason) => {
                tracing::debug!(%connection, %reason, duration_seconds, "connection closed");
            }
            None => tracing::debug!(%connection, duration_seconds, "connection aborted"),
        }
    }
}
