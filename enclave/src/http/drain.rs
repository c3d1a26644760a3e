//! Drains connections at shutdown. Requests in progress may finish within a timeout.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use crate::clock::timeout;

/// Maximum time for requests in progress to finish when the service stops.
pub(super) const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// A signal that tells each open connection to close after its current request.
#[derive(Debug)]
pub(super) struct DrainSignal(watch::Sender<bool>);

impl DrainSignal {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// Returns a future that is ready once the drain begins.
    pub(super) fn subscribe(&self) -> impl Future<Output = ()> + use<> {
        let mut draining = self.0.subscribe();
        async move {
            // `wait_for` returns a guard, which must not be held across an await.
            drop(draining.wait_for(|draining| *draining).await);
        }
    }
}

/// Waits until requests in progress have finished, for at most `drain_timeout`. Then closes all connections.
pub(super) async fn drain(
    signal: &DrainSignal,
    mut connections: [&mut JoinSet<()>; 2],
    drain_timeout: Duration,
) {
    signal.0.send_replace(true);
    let finish = async {
        for connections in &mut connections {
            while let Some(ended) = connections.join_next().await {
                log_panic(ended);
            }
        }
    };
    if timeout(drain_timeout, finish).await.is_err() {
        let count = connections.iter().map(|connections| connections.len()).sum::<usize>();
        tracing::warn!(count, "drain timed out: closed the remaining connections");
        for connections in connections {
            connections.shutdown().await;
        }
    }
}

/// Logs a panic of the task of a connection.
pub(super) fn log_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("connection task panicked");
    }
}
