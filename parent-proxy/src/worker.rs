//! An additional relay thread.

use std::io;
use std::thread;

use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};
use transport::DetachedStream;

use crate::connections::{ConnectionGuard, Connections, Load};

/// A client that is moved to another thread, and its guard.
type Assignment = (DetachedStream, ConnectionGuard);

/// A thread that relays the clients that are assigned to it. The thread has its own runtime, so no other
/// thread wakes its tasks. Dropping the `Worker` ends the thread.
#[derive(Debug)]
pub(crate) struct Worker {
    clients: mpsc::UnboundedSender<Assignment>,
    load: Load,
    aborted: oneshot::Receiver<usize>,
}

impl Worker {
    /// Starts a worker thread for the relay to which the connections `others` belong.
    pub(crate) fn start(others: &Connections) -> io::Result<Self> {
        let connections = others.for_another_thread();
        let load = connections.load().clone();
        // The number of connections bounds the channel, because each item contains the guard of a connection.
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

    /// Sends a client to the thread. Returns the client if the thread has ended.
    pub(crate) fn send(
        &self,
        client: DetachedStream,
        guard: ConnectionGuard,
    ) -> Result<(), Assignment> {
        self.clients.send((client, guard)).map_err(|error| error.0)
    }

    /// Returns whether the thread still accepts clients.
    pub(crate) fn is_running(&self) -> bool {
        !self.clients.is_closed()
    }

    /// Stops sending clients to the thread. If the relay drains, the returned receiver yields the number of
    /// aborted connections.
    pub(crate) fn stop(self) -> oneshot::Receiver<usize> {
        self.aborted
    }
}

/// Relays assigned clients until the worker is dropped or stopped. Then drains the connections if the relay
/// drains.
async fn relay(
    mut connections: Connections,
    mut assigned: mpsc::UnboundedReceiver<Assignment>,
    aborted: oneshot::Sender<usize>,
) {
    loop {
        tokio::select! {
            client = assigned.recv() => match client {
                Some((client, guard)) => connections.start_moved(client, guard),
                None => break,
            },
            () = connections.join_next() => {}
        }
    }
    if connections.is_draining() {
        // An error means that the relay was dropped.
        let _ = aborted.send(connections.drain().await);
    }
}
