use std::io;
use std::thread;

use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};
use transport::DetachedStream;

use crate::connections::{Connections, Load, Place};

/// A client on its way to another thread.
type Given = (DetachedStream, Place);

/// A thread that relays what it is given, with a runtime of its own: no other thread ever wakes its
/// tasks. It ends with this.
#[derive(Debug)]
pub(crate) struct Worker {
    clients: mpsc::UnboundedSender<Given>,
    load: Load,
    aborted: oneshot::Receiver<usize>,
}

impl Worker {
    /// Starts one for the relay that has `others`.
    pub(crate) fn start(others: &Connections) -> io::Result<Self> {
        let connections = others.of_another_thread();
        let load = connections.load().clone();
        // Its bound is that of connections, each of which has a place.
        let (clients, given) = mpsc::unbounded_channel();
        let (tell, aborted) = oneshot::channel();
        thread::Builder::new().name("relay".to_owned()).spawn(
            || match Builder::new_current_thread().enable_io().enable_time().build() {
                Ok(runtime) => runtime.block_on(relay(connections, given, tell)),
                Err(error) => tracing::error!(%error, "failed to start a relay worker thread"),
            },
        )?;
        Ok(Self { clients, load, aborted })
    }

    pub(crate) fn load(&self) -> &Load {
        &self.load
    }

    /// Hands it a client, which comes back if the thread is gone.
    pub(crate) fn give(&self, client: DetachedStream, place: Place) -> Result<(), Given> {
        self.clients.send((client, place)).map_err(|error| error.0)
    }

    pub(crate) fn is_there(&self) -> bool {
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
    mut given: mpsc::UnboundedReceiver<Given>,
    aborted: oneshot::Sender<usize>,
) {
    loop {
        tokio::select! {
            client = given.recv() => match client {
                Some((client, place)) => connections.start_detached(client, place),
                None => break,
            },
            () = connections.one_ended() => {}
        }
    }
    if connections.are_draining() {
        // Whoever does not listen was itself dropped.
        let _ = aborted.send(connections.drain().await);
    }
}
