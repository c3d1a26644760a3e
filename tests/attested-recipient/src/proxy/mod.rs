//! The proxy: it serves the KMS API to clients on its own machine, and returns only responses that prove where
//! they came from.
//!
//! The proxy is not a forward proxy. It sends only `POST /` to one upstream, over a
//! [verified connection](crate::verified_connection). It reads and judges each response completely before it
//! returns the first byte. Its own listener is plain, so every process that can connect to the listener, or
//! take its address, is trusted.

mod admin;
mod client_response;
mod error;
mod forward;
mod listener;
mod metrics;
mod pool;
mod server;
mod systemd;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use transport::limits::MAX_ADMIN_CONNECTIONS;
use transport::{Acceptor, Endpoint, listen};

pub use self::error::ProxyError;
use self::forward::Forwarder;
pub use self::listener::{InvalidListenAddress, ListenAddress};
use self::metrics::Metrics;
use self::pool::Pool;
use self::server::Server;
use crate::verified_connection::Verifier;

/// Time after the end of the longest request for the last responses to be written.
const DRAIN_MARGIN: Duration = Duration::from_secs(2);

/// The settings of a proxy.
#[derive(Debug)]
pub struct ProxySettings {
    /// The address for clients.
    pub listen: ListenAddress,
    /// The address of health, readiness and metrics. `None` for no such listener.
    pub admin_listen: Option<Endpoint>,
    /// Time limit of a request, with all attempts.
    pub timeout: Duration,
    /// Maximum number of connections of clients, and of idle connections to the upstream.
    pub max_connections: usize,
    /// Number of connections to the upstream that are opened and verified ahead of requests.
    pub idle_connections: usize,
    /// Users that may connect to a Unix socket. Empty for the user of this process.
    pub client_uids: Vec<u32>,
}

/// A proxy that listens but does not serve yet.
#[derive(Debug)]
pub struct Proxy {
    acceptor: Acceptor,
    admin: Option<Acceptor>,
    server: Arc<Server>,
    settings: ProxySettings,
}

impl Proxy {
    /// Opens the listeners.
    ///
    /// # Errors
    /// If an address cannot be listened on.
    pub async fn bind(mut settings: ProxySettings, verifier: Verifier) -> Result<Self, ProxyError> {
        let acceptor = Acceptor::new(settings.listen.open().await?);
        let admin = match &settings.admin_listen {
            Some(endpoint) => Some(Acceptor::new(listen(endpoint).await?)),
            None => None,
        };
        if settings.client_uids.is_empty() {
            settings.client_uids.push(listener::own_uid().map_err(ProxyError::OwnUser)?);
        }
        let metrics = Arc::new(Metrics::default());
        let limits = (settings.idle_connections, settings.max_connections);
        let pool = Pool::new(verifier, limits, Arc::clone(&metrics));
        let forwarder = Forwarder::new(pool, settings.timeout, metrics);
        let server = Arc::new(Server::new(forwarder, settings.client_uids.clone()));
        Ok(Self { acceptor, admin, server, settings })
    }

    /// Returns the address for clients.
    pub fn endpoint(&self) -> &Endpoint {
        self.acceptor.local_endpoint()
    }

    /// Returns the address of health, readiness and metrics.
    pub fn admin_endpoint(&self) -> Option<&Endpoint> {
        self.admin.as_ref().map(Acceptor::local_endpoint)
    }

    /// Serves until `stop` is ready. Then closes the listeners and idle connections, and waits for the current
    /// requests.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let Self { acceptor, admin, server, settings } = self;
        let (stopping, stopped) = watch::channel(false);
        let admin = async {
            if let Some(admin) = admin {
                let server = Arc::clone(&server);
                let serve = move |stream| admin::serve(stream, Arc::clone(&server));
                admin.serve(MAX_ADMIN_CONNECTIONS, serve).await;
            }
            std::future::pending::<()>().await;
        };
        let serve = |stream| Arc::clone(&server).serve(stream, stopped.clone());
        let stop = async {
            stop.await;
            systemd::stopping();
            stopping.send_replace(true);
        };
        let clients = acceptor.serve_until(stop, settings.max_connections, serve);
        systemd::ready(&server.upstream());
        tokio::select! {
            () = clients => {}
            () = admin => {}
            () = server.maintain() => {}
            () = drain_limit(stopped.clone(), settings.timeout + DRAIN_MARGIN) => {}
        }
    }
}

/// Waits for the begin of the drain and then for its time limit.
async fn drain_limit(mut stopped: watch::Receiver<bool>, limit: Duration) {
    // The sender lives as long as the proxy runs.
    let _ = stopped.wait_for(|stopped| *stopped).await;
    sleep(limit).await;
    tracing::warn!("connections of clients are closed before their requests ended");
}
