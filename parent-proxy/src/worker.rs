use std::io;
use std::thread;

use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};
use transport::DetachedStream;

use crate::connections::{ConnectionGuard, Connections, Load};

/// A client on its way to another thread.
type Assignment = (DetachedStream, ConnectionGuard);

/// A thread that relays what it is assigned, with a runtime of its own: no other thread ever wakes its
/// tasks. It ends with this.
#[derive(Debug)]
pub(crate) struct Worker {
    clients: mpsc::UnboundedSender<Assignment>,
    load: Load,
    aborted: oneshot::Receiver<usize>,
}

impl Worker {
    /// Starts one for the relay that has `others`.
    pub(crate) fn start(others: &Connections) -> io::Result<Self> {
        let connections = others.for_another_thread();
        let load = connections.load().clone();
        // Its bound is that of connections, each of which has a place.
        let (clients, assigned) = mpsc::unbounded_channel();
        let (abort_count, aborted) = oneshot::channel();
        thread::Builder::new().name("relay".to_owned()).spawn(
            || match Builder::new_current_thread().enable_io().enable_time().build() {
                Ok(runtime) => runtime.block_on(relay(connections, assigned, abort_count)),
                Err(error) => tracing::error!(%error, "failed to start a relay worker thread"),
            },
        )?;
        Ok(Self { clients, load, aborted })
    }

    pub(crate) fn load(&self) -> &Load {
        &self.load
    }

    /// Hands it a client, which comes back if the thread is gone.
    pub(crate) fn send(
        &self,
        client: DetachedStream,
        guard: ConnectionGuard,
    ) -> Result<(), Assignment> {
        self.clients.send((client, guard)).map_err(|error| error.0)
    }

    pub(crate) fn is_running(&self) -> bool {
        !self.clients.is_closed()
    }

    /// Gives it no more clients. Where the relay drains, it says how many of those that it has had to
    /// be aborted.
    pub(crate) fn stop(self) -> oneshot::Receiver<usize> {
        self.aborted
    }
}

async fn relay(
    mut connections: Connections,
    mut assigned: mpsc::UnboundedReceiver<Assignment>,
    aborted: oneshot::Sender<usize>,
) {
    loop {
        tokio::select! {
            client = assigned.recv() => match client {
                Some((client, guard)) => connections.start_detached(client, guard),
                None => break,
            },
            () = connections.join_next() => {}
        }
    }
    if connections.is_draining() {
        // Whoever does not listen was itself dropped.
        let _ = aborted.send(connections.drain().await);
    }
}
