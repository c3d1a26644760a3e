//! The connections of one relay thread.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use transport::{DetachedStream, Stream};

use crate::connection::serve;
use crate::context::RelayContext;
use crate::peer_policy::Admission;

/// The connections of one thread.
#[derive(Debug)]
pub(crate) struct Connections {
    context: Arc<RelayContext>,
    drains: watch::Receiver<bool>,
    load: Load,
    tasks: JoinSet<()>,
}

/// How many connections a thread has, or is about to get.
#[derive(Clone, Debug, Default)]
pub(crate) struct Load(Arc<AtomicUsize>);

/// What a connection takes up, given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    load: Load,
    _slot: OwnedSemaphorePermit,
    admission: Admission,
}

impl Load {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts one more.
    pub(crate) fn place(&self, slot: OwnedSemaphorePermit, admission: Admission) -> Place {
        self.0.fetch_add(1, Ordering::Relaxed);
        Place { load: self.clone(), _slot: slot, admission }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.load.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connections {
    pub(crate) fn new(context: Arc<RelayContext>, drains: watch::Receiver<bool>) -> Self {
        Self { context, drains, load: Load::default(), tasks: JoinSet::new() }
    }

    /// None yet, for another thread of the same relay.
    pub(crate) fn of_another_thread(&self) -> Self {
        Self::new(Arc::clone(&self.context), self.drains.clone())
    }

    pub(crate) fn load(&self) -> &Load {
        &self.load
    }

    pub(crate) fn start(&mut self, client: Stream, place: Place) {
        let context = Arc::clone(&self.context);
        let activity = place.admission.activity().map(Arc::clone);
        let recorded = activity.clone();
        let task = self.tasks.spawn(async move {
            serve(client, &context, recorded.as_deref()).await;
            // Not before the descriptors are closed.
            drop(place);
        });
        if let Some(activity) = activity {
            activity.set_task(task);
        }
    }

    pub(crate) fn start_detached(&mut self, client: DetachedStream, place: Place) {
        match client.attach() {
            Ok(client) => self.start(client, place),
            Err(error) => tracing::warn!(%error, "a client could not change the thread"),
        }
    }

    /// When a connection has ended; never while there is none.
    pub(crate) async fn one_ended(&mut self) {
        match self.tasks.join_next().await {
            Some(ended) => report(ended),
            None => pending().await,
        }
    }

    /// Whether the relay drains; if not, and nobody brings clients any more, it was dropped.
    pub(crate) fn are_draining(&self) -> bool {
        *self.drains.borrow()
    }

    /// Lets all end, for the drain timeout at most, or while the relay is there; then aborts, and
    /// says how many.
    pub(crate) async fn drain(self) -> usize {
        let Self { context, mut drains, mut tasks, .. } = self;
        drains.mark_unchanged();
        let finish = async {
            while let Some(ended) = tasks.join_next().await {
                report(ended);
            }
        };
        tokio::select! {
            _ = timeout(context.drain_timeout, finish) => {}
            // An error is all that can still come.
            _ = drains.changed() => {}
        }
        let late = tasks.len();
        tasks.shutdown().await;
        late
    }
}

fn report(ended: Result<(), JoinError>) {
    match ended {
        // Cancelled, it was evicted.
        Err(error) if error.is_panic() => {
            tracing::error!(%error, "a connection's task panicked");
        }
        Ok(()) | Err(_) => {}
    }
}
