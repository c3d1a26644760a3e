use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;

use shared::transport::{Acceptor, Endpoint, ListenError, Stream, listen};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::Config;
use crate::connection::Timeouts;
use crate::connections::{Common, Connections};
use crate::upstream::Upstream;
use crate::worker::Worker;

/// The relay, listening.
#[derive(Debug)]
pub struct Relay {
    acceptor: Acceptor,
    common: Arc<Common>,
    slots: Arc<Semaphore>,
    threads: NonZeroUsize,
}

/// How the last connections ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were still open at the drain timeout.
    pub aborted: usize,
}

impl Relay {
    /// Listens where the configuration says. The enclave need not be up yet.
    ///
    /// # Errors
    /// When the endpoint cannot be listened on.
    pub async fn bind(config: Config) -> Result<Self, ListenError> {
        let listener = listen(&config.listen).await?;
        let common = Common {
            timeouts: Timeouts::from(&config),
            drain_timeout: config.drain_timeout,
            upstream: Upstream::new(config.upstream, config.connect_timeout),
        };
        let max_connections = config.max_connections.get().min(Semaphore::MAX_PERMITS);
        Ok(Self {
            acceptor: Acceptor::new(listener),
            common: Arc::new(common),
            slots: Arc::new(Semaphore::new(max_connections)),
            threads: config.threads,
        })
    }

    /// Where clients connect, with the port the kernel chose where that was left to it.
    pub fn local_endpoint(&self) -> &Endpoint {
        self.acceptor.local_endpoint()
    }

    /// Relays until `shutdown` is ready, then stops listening and lets the connections finish,
    /// for the drain timeout at most.
    ///
    /// The first thread is the caller's, whose runtime may be of any kind; the others end with this.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> Drained {
        let (drain, drains) = watch::channel(false);
        let mut own = Connections::new(Arc::clone(&self.common), drains);
        let mut workers = start_workers(self.threads, &own);
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                () = own.one_ended() => {}
                // Without a slot nothing is accepted: further clients wait in the kernel's backlog,
                // where they cost this process neither memory nor descriptors.
                Some((slot, client)) = next(&self.slots, &mut self.acceptor) => {
                    place(client, slot, &mut own, &mut workers);
                }
            }
        }
        drop(self.acceptor);
        drain.send_replace(true);
        drained(own, workers).await
    }
}

fn start_workers(threads: NonZeroUsize, own: &Connections) -> Vec<Worker> {
    let start = |_| match Worker::start(own) {
        Ok(worker) => Some(worker),
        Err(error) => {
            tracing::error!(%error, "the relay has a thread less");
            None
        }
    };
    (1..threads.get()).filter_map(start).collect()
}

/// The next client, and the slot that it takes; `None` never comes, for nobody closes the semaphore.
async fn next(
    slots: &Arc<Semaphore>,
    acceptor: &mut Acceptor,
) -> Option<(OwnedSemaphorePermit, Stream)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    Some((slot, acceptor.accept().await))
}

/// Gives a client to the thread that has fewest, which at a tie is this one: it need not be moved.
fn place(
    client: Stream,
    slot: OwnedSemaphorePermit,
    own: &mut Connections,
    workers: &mut Vec<Worker>,
) {
    let idlest = workers.iter().min_by_key(|worker| worker.load().count());
    match idlest.filter(|worker| worker.load().count() < own.load().count()) {
        None => own.start(client, own.load().place(slot)),
        Some(worker) => match client.detach() {
            Ok(client) => {
                if let Err((client, place)) = worker.give(client, worker.load().place(slot)) {
                    // Its thread is gone, which the log has told.
                    own.start_detached(client, place);
                    workers.retain(Worker::is_there);
                }
            }
            Err(error) => tracing::warn!(%error, "a client could not change the thread"),
        },
    }
}

/// Follows all connections to their ends.
async fn drained(own: Connections, workers: Vec<Worker>) -> Drained {
    let mut connections = own.load().count();
    let mut rest = Vec::new();
    for worker in workers {
        connections += worker.load().count();
        rest.push(worker.stop());
    }
    tracing::info!(connections, "draining");
    let mut aborted = own.drain().await;
    for worker in rest {
        // One that says nothing is gone, and its connections are.
        aborted += worker.await.unwrap_or_default();
    }
    if aborted > 0 {
        tracing::warn!(aborted, "connections were still open at the drain timeout");
    }
    Drained { aborted }
}
