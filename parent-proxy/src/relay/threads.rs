//! The threads of one relay, and the assignment of clients to them.

use std::num::NonZeroUsize;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, watch};

use super::pending_client::PendingClient;
use crate::connections::Connections;
use crate::relay_context::RelayContext;
use crate::worker::Worker;

/// The connections of the caller's thread, and the worker threads. Dropping `Threads` ends the worker
/// threads.
pub(super) struct Threads {
    pub(super) local: Connections,
    workers: Vec<Worker>,
}

impl Threads {
    /// Starts the worker threads. The number `threads` includes the caller's thread.
    pub(super) fn start(
        threads: NonZeroUsize,
        context: Arc<RelayContext>,
        draining: watch::Receiver<bool>,
    ) -> Self {
        let local = Connections::new(context, draining);
        let start = |_| match Worker::start(&local) {
            Ok(worker) => Some(worker),
            Err(error) => {
                tracing::error!(%error, "failed to start a relay worker thread");
                None
            }
        };
        let workers = (1..threads.get()).filter_map(start).collect();
        Self { local, workers }
    }

    /// Assigns a client to the thread with the fewest connections. If several threads have the fewest, the
    /// caller's thread is preferred, because the client then need not move to another thread. `slot` is the
    /// client's permit for one open connection of the relay.
    pub(super) fn assign(&mut self, pending: PendingClient, slot: OwnedSemaphorePermit) {
        let Self { local, workers } = self;
        let PendingClient { client, admission, .. } = pending;
        let least_loaded = workers.iter().min_by_key(|worker| worker.load().count());
        let least_loaded =
            least_loaded.filter(|worker| worker.load().count() < local.load().count());
        let Some(worker) = least_loaded else {
            return local.start(client, local.load().add_connection(slot, admission));
        };
        match client.detach() {
            Ok(detached) => {
                let guard = worker.load().add_connection(slot, admission);
                if let Err((detached, guard)) = worker.send(detached, guard) {
                    // The worker has ended, which was logged.
                    local.start_moved(detached, guard);
                    workers.retain(Worker::is_running);
                }
            }
            Err(error) => tracing::warn!(%error, "client closed: cannot move it to another thread"),
        }
    }

    /// Drains all connections, for the drain timeout at most. Returns the number of aborted connections.
    pub(super) async fn drain(self) -> usize {
        let Self { local, workers } = self;
        let mut connections = local.load().count();
        let mut aborted_by_workers = Vec::new();
        for worker in workers {
            connections += worker.load().count();
            aborted_by_workers.push(worker.stop());
        }
        tracing::info!(connections, "draining");
        let mut aborted = local.drain().await;
        for worker in aborted_by_workers {
            // A worker that has already ended sends no number. Its connections ended with it.
            aborted += worker.await.unwrap_or_default();
        }
        if aborted > 0 {
            tracing::warn!(aborted, "connections aborted at the drain timeout");
        }
        aborted
    }
}
