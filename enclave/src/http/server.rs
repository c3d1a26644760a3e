//! Accepts connections, and drains them at the end.

use std::error::Error;
use std::future::{Future, pending};
use std::io::{self, Write};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use transport::limits::{DRAIN_TIMEOUT, MAX_ADMIN_CONNECTIONS, MAX_CONNECTIONS};
use transport::{Acceptor, Endpoint, Stream, announcement, listen, shutdown_signal};

use super::application::Application;
use super::connection::Server;
use super::entrance::Door;
use crate::clock::timeout;

/// The endpoints that a service listens on.
#[derive(Clone, Debug)]
pub struct Listeners {
    /// The endpoint for clients.
    pub clients: Endpoint,
    /// The endpoint for metrics and readiness, if any.
    pub admin: Option<Endpoint>,
}

/// Listens on `listeners`, says so on stdout in `program`'s name, and serves until a signal.
///
/// # Errors
/// If it cannot listen.
pub async fn listen_and_serve<A: Application>(
    program: &str,
    listeners: &Listeners,
    application: A,
) -> Result<(), Box<dyn Error>> {
    // Before anybody can know that this process exists, so that no signal finds it unprepared.
    let shutdown = shutdown_signal()?;
    let clients = Acceptor::new(listen(&listeners.clients).await?);
    let admin = match &listeners.admin {
        Some(endpoint) => Some(Acceptor::new(listen(endpoint).await?)),
        None => None,
    };
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{}", announcement(program, clients.local_endpoint()))?;
    if let Some(admin) = &admin {
        writeln!(stdout, "{}", announcement(&format!("{program} admin"), admin.local_endpoint()))?;
    }
    stdout.flush()?;
    drop(stdout);
    serve(clients, admin, application, shutdown, DRAIN_TIMEOUT).await;
    Ok(())
}

/// Serves clients, and on a listener of their own those who watch, until `shutdown`; then lets those in
/// the middle of a request finish, for `drain_timeout` at most.
pub async fn serve<A: Application>(
    mut clients: Acceptor,
    mut admin: Option<Acceptor>,
    application: A,
    shutdown: impl Future<Output = ()>,
    drain_timeout: Duration,
) {
    let server = Arc::new(Server::new(application));
    let draining = watch::Sender::new(false);
    let (mut served, mut watched) = (JoinSet::new(), JoinSet::new());
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(ended) = served.join_next() => report(ended),
            Some(ended) = watched.join_next() => report(ended),
            // First: they are few, and must get through when clients are many.
            stream = accept(&mut admin), if watched.len() < MAX_ADMIN_CONNECTIONS => {
                if server.admit(Door::Admin, &stream).is_none() {
                    continue;
                }
                let (server, drain) = (Arc::clone(&server), begins(draining.subscribe()));
                watched.spawn(async move { server.serve_admin(stream, drain).await });
            }
            // At the cap nothing is accepted: further clients wait in the kernel's backlog.
            stream = clients.accept(), if served.len() < MAX_CONNECTIONS => {
                let Some(peer) = server.admit(Door::Clients, &stream) else { continue };
                let (server, drain) = (Arc::clone(&server), begins(draining.subscribe()));
                served.spawn(async move { server.serve(stream, peer, drain).await });
            }
        }
    }
    drop((clients, admin));
    draining.send_replace(true);
    let finish = async {
        for connections in [&mut served, &mut watched] {
            while let Some(ended) = connections.join_next().await {
                report(ended);
            }
        }
    };
    if timeout(drain_timeout, finish).await.is_err() {
        let count = served.len() + watched.len();
        tracing::warn!(count, "connections were still open at the end");
        served.shutdown().await;
        watched.shutdown().await;
    }
}

/// The next one who watches, if anybody can.
async fn accept(admin: &mut Option<Acceptor>) -> Stream {
    match admin {
        Some(admin) => admin.accept().await,
        None => pending().await,
    }
}

async fn begins(mut draining: watch::Receiver<bool>) {
    // The guard this returns must not live on into the next await.
    drop(draining.wait_for(|draining| *draining).await);
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a connection's task panicked");
    }
}
