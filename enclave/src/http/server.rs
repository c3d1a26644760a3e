//! Accepts connections, and drains them at the end.

use std::error::Error;
use std::future::Future;
use std::io::{self, Write};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use shared::transport::limits::{DRAIN_TIMEOUT, MAX_CONNECTIONS};
use shared::transport::{Acceptor, Endpoint, announcement, listen, shutdown_signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Channel;
use super::connection::Server;
use crate::platform::Platform;
use crate::service::Service;

/// Listens on `endpoint`, says so on stdout in `program`'s name, and serves until a signal.
///
/// # Errors
/// If it cannot listen.
pub async fn listen_and_serve<P: Platform>(
    program: &str,
    endpoint: &Endpoint,
    service: Service<P>,
) -> Result<(), Box<dyn Error>> {
    // Before anybody can know that this process exists, so that no signal finds it unprepared.
    let shutdown = shutdown_signal()?;
    let acceptor = Acceptor::new(listen(endpoint).await?);
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{}", announcement(program, acceptor.local_endpoint()))?;
    stdout.flush()?;
    drop(stdout);
    serve(acceptor, service, shutdown, DRAIN_TIMEOUT).await;
    Ok(())
}

/// Serves connections until `shutdown`, then lets those in the middle of a request finish, for
/// `drain_timeout` at most.
pub async fn serve<P: Platform>(
    mut acceptor: Acceptor,
    service: Service<P>,
    shutdown: impl Future<Output = ()>,
    drain_timeout: Duration,
) {
    let server = Arc::new(Server::new(service));
    let draining = watch::Sender::new(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(ended) = connections.join_next() => report(ended),
            // At the cap nothing is accepted: further clients wait in the kernel's backlog.
            stream = acceptor.accept(), if connections.len() < MAX_CONNECTIONS => {
                let (server, mut draining) = (Arc::clone(&server), draining.subscribe());
                connections.spawn(async move {
                    // The guard this returns must not live on into the next await.
                    let drain = async { drop(draining.wait_for(|draining| *draining).await) };
                    server.serve_connection(stream, Channel::Plain, drain).await;
                });
            }
        }
    }
    drop(acceptor);
    draining.send_replace(true);
    let finish = async {
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    };
    if timeout(drain_timeout, finish).await.is_err() {
        tracing::warn!(count = connections.len(), "connections were still open at the end");
        connections.shutdown().await;
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a connection's task panicked");
    }
}
