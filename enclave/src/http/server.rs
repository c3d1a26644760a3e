//! Accepts connections until a shutdown signal.

use std::error::Error;
use std::future::{Future, pending};
use std::io::{self, Write};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use transport::limits::{MAX_ADMIN_CONNECTIONS, MAX_CONNECTIONS};
use transport::{Acceptor, Endpoint, Stream, listen, listening_message, shutdown_signal};

use super::application::Application;
use super::connection::Server;
use super::drain::{DRAIN_TIMEOUT, DrainSignal, drain, log_panic};
use super::peer_policy::Listener;

/// The endpoints that a service listens on.
#[derive(Clone, Debug)]
pub struct Listeners {
    /// The endpoint for clients.
    pub clients: Endpoint,
    /// The endpoint for metrics and readiness, if any.
    pub admin: Option<Endpoint>,
}

/// Listens on `listeners`, and serves until a shutdown signal. Writes one line for each listener, with the name
/// `program`, to stdout.
///
/// # Errors
/// If the handler of the shutdown signal cannot be installed, if listening on an endpoint fails, or if writing to
/// stdout fails.
pub async fn listen_and_serve<A: Application>(
    program: &str,
    listeners: &Listeners,
    application: A,
) -> Result<(), Box<dyn Error>> {
    // The signal handler is installed before the lines are written. After these lines, every shutdown signal starts a
    // drain.
    let shutdown = shutdown_signal()?;
    let clients = Acceptor::new(listen(&listeners.clients).await?);
    let admin = match &listeners.admin {
        Some(endpoint) => Some(Acceptor::new(listen(endpoint).await?)),
        None => None,
    };
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{}", listening_message(program, clients.local_endpoint()))?;
    if let Some(admin) = &admin {
        writeln!(
            stdout,
            "{}",
            listening_message(&format!("{program} admin"), admin.local_endpoint())
        )?;
    }
    stdout.flush()?;
    drop(stdout);
    serve(clients, admin, application, shutdown, DRAIN_TIMEOUT).await;
    Ok(())
}

/// Serves the client listener and the admin listener until `shutdown` is ready. Then waits until requests in progress
/// have finished, for at most `drain_timeout`.
pub async fn serve<A: Application>(
    mut clients: Acceptor,
    mut admin: Option<Acceptor>,
    application: A,
    shutdown: impl Future<Output = ()>,
    drain_timeout: Duration,
) {
    let server = Arc::new(Server::new(application));
    let drain_signal = DrainSignal::new();
    let (mut client_connections, mut admin_connections) = (JoinSet::new(), JoinSet::new());
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(ended) = client_connections.join_next() => log_panic(ended),
            Some(ended) = admin_connections.join_next() => log_panic(ended),
            // Admin connections have priority over client connections. There are few admin connections, and they
            // must be served even if there are many clients.
            stream = accept(&mut admin), if admin_connections.len() < MAX_ADMIN_CONNECTIONS => {
                if server.accept_peer(Listener::Admin, &stream).is_none() {
                    continue;
                }
                let (server, drain) = (Arc::clone(&server), drain_signal.subscribe());
                admin_connections.spawn(async move { server.serve_admin(stream, drain).await });
            }
            // At the limit, the server accepts no connection. Further clients wait in the backlog of the kernel.
            stream = clients.accept(), if client_connections.len() < MAX_CONNECTIONS => {
                let Some(peer) = server.accept_peer(Listener::Clients, &stream) else { continue };
                let (server, drain) = (Arc::clone(&server), drain_signal.subscribe());
                client_connections.spawn(async move { server.serve(stream, peer, drain).await });
            }
        }
    }
    drop((clients, admin));
    drain(&drain_signal, [&mut client_connections, &mut admin_connections], drain_timeout).await;
}

/// Accepts the next admin connection. Never returns without an admin listener.
async fn accept(admin: &mut Option<Acceptor>) -> Stream {
    match admin {
        Some(admin) => admin.accept().await,
        None => pending().await,
    }
}
