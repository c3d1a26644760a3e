//! The threads of one relay, and which of them gets a client.

use std::num::NonZeroUsize;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, watch};

use super::newcomer::Newcomer;
use crate::connections::Connections;
use crate::context::RelayContext;
use crate::worker::Worker;

/// The connections of the caller's thread, and the other threads. Those end with this.
pub(super) struct Threads {
    pub(super) own: Connections,
    workers: Vec<Worker>,
}

impl Threads {
    /// Starts `threads` threads, of which the caller's is one.
    pub(super) fn start(
        threads: NonZeroUsize,
        context: Arc<RelayContext>,
        drains: watch::Receiver<bool>,
    ) -> Self {
        let own = Connections::new(context, drains);
        let start = |_| match Worker::start(&own) {
            Ok(worker) => Some(worker),
            Err(error) => {
                tracing::error!(%error, "failed to start a relay worker thread");
                None
            }
        };
        let workers = (1..threads.get()).filter_map(start).collect();
        Self { own, workers }
    }

    /// Gives a client to the thread with the fewest connections. At a tie that is the caller's, to which it need
    /// not be moved.
    pub(super) fn place(&mut self, newcomer: Newcomer, slot: OwnedSemaphorePermit) {
        let Self { own, workers } = self;
        let Newcomer { client, admission, .. } = newcomer;
        let idlest = workers.iter().min_by_key(|worker| worker.load().count());
        let idlest = idlest.filter(|worker| worker.load().count() < own.load().count());
        let Some(worker) = idlest else {
            return own.start(client, own.load().place(slot, admission));
        };
        match client.detach() {
            Ok(client) => {
                let place = worker.load().place(slot, admission);
                if let Err((client, place)) = worker.give(client, place) {
                    // Its thread has ended, which the log has told.
                    own.start_detached(client, place);
                    workers.retain(Worker::is_there);
                }
            }
            Err(error) => tracing::warn!(%error, "a client could not change the thread"),
        }
    }

    /// Lets all connections end, for the drain timeout at most. Returns how many were aborted.
    pub(super) async fn drain(self) -> usize {
        let Self { own, workers } = self;
        let mut connections = own.load().count();
        let mut rest = Vec::new();
        for worker in workers {
            connections += worker.load().count();
            rest.push(worker.stop());
        }
        tracing::info!(connections, "draining");
        let mut aborted = own.drain().await;
        for worker in rest {
            // A thread that sends nothing has ended, with its connections.
            aborted += worker.await.unwrap_or_default();
        }
        if aborted > 0 {
            tracing::warn!(aborted, "connections were still open at the drain timeout");
        }
        aborted
    }
}
