use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use shared::transport::{Acceptor, Endpoint, ListenError, Stream, listen};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

use crate::Config;
use crate::connection::{Timeouts, serve};
use crate::upstream::Upstream;

/// The relay, listening.
#[derive(Debug)]
pub struct Relay {
    acceptor: Acceptor,
    upstream: Arc<Upstream>,
    timeouts: Timeouts,
    max_connections: usize,
    drain_timeout: Duration,
    connections: JoinSet<()>,
    draining: watch::Sender<bool>,
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
        Ok(Self {
            acceptor: Acceptor::new(listener),
            timeouts: Timeouts::from(&config),
            upstream: Arc::new(Upstream::new(config.upstream, config.connect_timeout)),
            max_connections: config.max_connections.get(),
            drain_timeout: config.drain_timeout,
            connections: JoinSet::new(),
            draining: watch::Sender::new(false),
        })
    }

    /// Where clients connect, with the port the kernel chose where that was left to it.
    pub fn local_endpoint(&self) -> &Endpoint {
        self.acceptor.local_endpoint()
    }

    /// Relays until `shutdown` is ready, then stops listening and lets the connections finish,
    /// for the drain timeout at most.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> Drained {
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(ended) = self.connections.join_next() => report(ended),
                // At the cap nothing is accepted: further clients wait in the kernel's backlog,
                // where they cost this process neither memory nor descriptors.
                client = self.acceptor.accept(), if self.connections.len() < self.max_connections => {
                    self.start(client);
                }
            }
        }
        self.drain().await
    }

    fn start(&mut self, client: Stream) {
        let (upstream, draining) = (Arc::clone(&self.upstream), self.draining.subscribe());
        self.connections.spawn(serve(client, upstream, self.timeouts, draining));
    }

    async fn drain(self) -> Drained {
        let Self { acceptor, mut connections, draining, drain_timeout, .. } = self;
        drop(acceptor);
        tracing::info!(connections = connections.len(), "draining");
        draining.send_replace(true);
        let finish = async {
            while let Some(ended) = connections.join_next().await {
                report(ended);
            }
        };
        let late = timeout(drain_timeout, finish).await.is_err();
        let aborted = connections.len();
        connections.shutdown().await;
        if late {
            tracing::warn!(aborted, "connections were still open at the drain timeout");
        }
        Drained { aborted }
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task panicked");
    }
}
