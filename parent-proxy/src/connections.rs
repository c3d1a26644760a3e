//! The connections of one relay thread.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::JoinSet;
use transport::{DetachedStream, Stream};

use crate::connection::serve;
use crate::drain::{self, log_panic};
use crate::peer_policy::Admission;
use crate::relay_context::RelayContext;

/// The connections of one thread.
#[derive(Debug)]
pub(crate) struct Connections {
    context: Arc<RelayContext>,
    draining: watch::Receiver<bool>,
    load: Load,
    tasks: JoinSet<()>,
}

/// The number of connections of one thread, including those that are being moved to this thread.
#[derive(Clone, Debug, Default)]
pub(crate) struct Load(Arc<AtomicUsize>);

/// A guard that releases two resources of a connection on drop:
///
/// - the slot: a permit of the relay's limit on open connections
/// - the admission: the peer policy's permit of the limit per client address
#[derive(Debug)]
pub(crate) struct ConnectionGuard {
    load: Load,
    _slot: OwnedSemaphorePermit,
    admission: Admission,
}

impl Load {
    /// Returns the number of connections.
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts one more connection. Returns its guard.
    pub(crate) fn add_connection(
        &self,
        slot: OwnedSemaphorePermit,
        admission: Admission,
    ) -> ConnectionGuard {
        self.0.fetch_add(1, Ordering::Relaxed);
        ConnectionGuard { load: self.clone(), _slot: slot, admission }
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.load.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connections {
    pub(crate) fn new(context: Arc<RelayContext>, draining: watch::Receiver<bool>) -> Self {
        Self { context, draining, load: Load::default(), tasks: JoinSet::new() }
    }

    /// Creates an empty set of connections for another thread of the same relay.
    pub(crate) fn for_another_thread(&self) -> Self {
        Self::new(Arc::clone(&self.context), self.draining.clone())
    }

    pub(crate) fn load(&self) -> &Load {
        &self.load
    }

    /// Starts to relay `client` on this thread.
    pub(crate) fn start(&mut self, client: Stream, guard: ConnectionGuard) {
        let context = Arc::clone(&self.context);
        let activity = guard.admission.activity().map(Arc::clone);
        let recorded = activity.clone();
        let task = self.tasks.spawn(async move {
            serve(client, &context, recorded.as_deref()).await;
            // Dropped only once the descriptors are closed.
            drop(guard);
        });
        if let Some(activity) = activity {
            activity.set_task(task);
        }
    }

    /// Starts to relay a client that another thread accepted.
    pub(crate) fn start_moved(&mut self, client: DetachedStream, guard: ConnectionGuard) {
        match client.attach() {
            Ok(client) => self.start(client, guard),
            Err(error) => tracing::warn!(%error, "client closed: cannot move it to another thread"),
        }
    }

    /// Waits for the next connection to end. Never returns while there is no connection.
    pub(crate) async fn join_next(&mut self) {
        match self.tasks.join_next().await {
            Some(ended) => log_panic(ended),
            None => pending().await,
        }
    }

    /// Returns whether the relay drains. If no more clients are assigned but the relay does not drain, it was
    /// dropped.
    pub(crate) fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// Drains the connections, as [`drain::drain`] does. Returns the number of aborted connections.
    pub(crate) async fn drain(self) -> usize {
        let Self { context, draining, tasks, .. } = self;
        drain::drain(tasks, context.drain_timeout, draining).await
    }
}
