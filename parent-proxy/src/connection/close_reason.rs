//! The end of a connection, and its log line.

use std::io;

use thiserror::Error;
use tokio::time::Instant;
use transport::ConnectionId;

/// The reason of the end of a connection.
#[derive(Debug, Error)]
pub(super) enum CloseReason {
    #[error("both sides finished")]
    BothClosed,
    #[error("the enclave finished first")]
    UpstreamClosed,
    #[error("no byte for the idle timeout, or between two requests while draining")]
    Idle,
    #[error("no response from an enclave that does not answer health checks")]
    Unresponsive,
    #[error("total timeout")]
    TotalTimeout,
    #[error("one side broke: {0}")]
    Io(io::Error),
}

/// A guard that logs the end of a connection, also where its task is aborted.
pub(super) struct CloseLog {
    pub(super) connection: ConnectionId,
    pub(super) accepted: Instant,
    pub(super) reason: Option<CloseReason>,
}

impl Drop for CloseLog {
    fn drop(&mut self) {
        let (connection, lived) = (self.connection, self.accepted.elapsed());
        match &self.reason {
            Some(end) => tracing::debug!(%connection, %end, ?lived, "connection closed"),
            None => tracing::debug!(%connection, ?lived, "connection closed before its end"),
        }
    }
}
