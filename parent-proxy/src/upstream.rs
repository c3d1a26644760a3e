use std::error::Error;
use std::time::Duration;

use shared::transport::{Endpoint, Episode, Stream, connect};
use tokio::time::timeout;

/// The way to the enclave. It is tried anew for every client, so it recovers by itself.
#[derive(Debug)]
pub(crate) struct Upstream {
    endpoint: Endpoint,
    connect_timeout: Duration,
    unreachable: Episode,
}

impl Upstream {
    pub(crate) fn new(endpoint: Endpoint, connect_timeout: Duration) -> Self {
        Self { endpoint, connect_timeout, unreachable: Episode::default() }
    }

    /// A connection to the enclave; `None` where there is none, which the log then tells.
    pub(crate) async fn connect(&self) -> Option<Stream> {
        match timeout(self.connect_timeout, connect(&self.endpoint)).await {
            Ok(Ok(stream)) => Some(stream),
            Ok(Err(error)) => {
                self.warn(&error);
                None
            }
            Err(elapsed) => {
                self.warn(&elapsed);
                None
            }
        }
    }

    fn warn(&self, error: &dyn Error) {
        if self.unreachable.begins() {
            let (upstream, cause) = (&self.endpoint, error.source());
            tracing::warn!(%upstream, %error, cause, "upstream unreachable; clients are closed");
        }
    }
}
