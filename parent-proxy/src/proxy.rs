//! The whole process: the relay for clients and all other services.

use std::future::{Future, pending};
use std::io::{self, Write};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use transport::{Acceptor, Endpoint, ListenError, listening_message};

use crate::background_services::{Phase, Services, wait_for_phase};
use crate::config::{Config, ConfigArchive, LogReceiverConfig};
use crate::config_server::ConfigServer;
use crate::direct_listeners::DirectListeners;
use crate::drain::DrainReport;
use crate::listeners::Listeners;
use crate::log_file::LogFile;
use crate::log_receiver::LogReceiver;
use crate::peer_policy::PeerPolicy;
use crate::relay::Relay;
use crate::systemd;
use crate::upgrade::Upgrader;
use crate::upgrade_predecessor::Predecessor;

/// An error that prevents the start.
#[derive(Debug, Error)]
pub enum StartError {
    /// An endpoint cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A configured file cannot be used.
    #[error("cannot use {key} {}: {error}", .path.display())]
    File {
        /// Name of the setting that contains the path.
        key: &'static str,
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        error: io::Error,
    },
    /// The handlers of SIGHUP and SIGUSR2 cannot be installed.
    #[error("cannot wait for SIGHUP and SIGUSR2: {0}")]
    Signal(io::Error),
    /// The thread of the log receiver cannot be started.
    #[error("cannot start the log receiver thread: {0}")]
    Thread(io::Error),
    /// The predecessor did not hand over its listeners.
    #[error("cannot take over the listeners of the predecessor: {0}")]
    Predecessor(io::Error),
}

/// A relay with all configured services, which listens but does not serve yet.
#[derive(Debug)]
pub struct Proxy {
    listeners: Listeners,
    upgrader: Upgrader,
    predecessor: Option<Predecessor>,
    relay: Relay,
    services: Services,
}

impl Proxy {
    /// Opens all configured listeners, or inherits them from a predecessor. No enclave needs to run yet.
    /// `log_lines_dropped` returns the number of lines that the process's own log has lost.
    ///
    /// # Errors
    /// - An endpoint cannot be listened on.
    /// - A configured file cannot be used.
    /// - A signal handler cannot be installed, or the thread of the log receiver cannot be started.
    /// - The listeners of the predecessor cannot be received.
    pub async fn bind(config: &Config, log_lines_dropped: fn() -> u64) -> Result<Self, StartError> {
        // The handlers are installed before the listeners are open, because an unhandled signal would end the
        // process.
        let sighup = signal(SignalKind::hangup()).map_err(StartError::Signal)?;
        let upgrader = Upgrader::new().map_err(StartError::Signal)?;
        let (predecessor, inherited) =
            Predecessor::from_process().map_err(StartError::Predecessor)?.unzip();
        let mut listeners = Listeners::with_inherited(inherited.unwrap_or_default());
        let relay = Relay::for_clients(listeners.listen_for_clients(&config.listen).await?, config);
        let pool = &relay.context().pool;
        let enclaves_only = || PeerPolicy::enclaves(Arc::clone(pool));
        let config_server = match &config.config_archive {
            None => None,
            Some(archive) => {
                Some(bind_config_server(archive, &mut listeners, enclaves_only()).await?)
            }
        };
        let mut egress = Vec::new();
        for route in &config.egress {
            let listener = listeners.listen(&route.listen).await?;
            let relay = Relay::for_route(listener, config, route, Arc::clone(pool));
            egress.push((route.to_string(), relay));
            tracing::info!(%route, "egress route opened");
        }
        let log_receiver = match &config.log_receiver {
            None => None,
            Some(log) => {
                let (listener, sink) = (listeners.listen(&log.listen).await?, open_log_sink(log)?);
                let started = LogReceiver::start(listener, enclaves_only(), sink);
                Some(started.map_err(StartError::Thread)?)
            }
        };
        let admin = match &config.admin_listen {
            None => None,
            Some(endpoint) => Some(Acceptor::new(listeners.listen(endpoint).await?)),
        };
        let direct_listeners = Arc::new(DirectListeners::bind(config, &mut listeners).await?);
        let upstreams_file = config.upstreams_file.clone();
        let services = Services {
            admin,
            config_server,
            egress,
            log_receiver,
            direct_listeners,
            upstreams_file,
            sighup,
            log_lines_dropped,
        };
        Ok(Self { listeners, upgrader, predecessor, relay, services })
    }

    /// Waits until the predecessor hands over, if there is one.
    ///
    /// # Errors
    /// If the predecessor does not hand over. The predecessor then continues to serve, so this process must
    /// not serve.
    pub async fn take_over(&mut self) -> Result<(), StartError> {
        if let Some(predecessor) = self.predecessor.take() {
            let context = self.relay.context();
            predecessor.wait_for_handover(context).await.map_err(StartError::Predecessor)?;
            tracing::info!("took over all listeners of the predecessor");
        }
        self.listeners.take_ownership();
        self.services.direct_listeners.take_ownership();
        Ok(())
    }

    /// Returns the endpoint for clients, with the port that the kernel chose for port 0.
    pub fn local_endpoint(&self) -> &Endpoint {
        self.relay.local_endpoint()
    }

    /// Returns the lines that announce the endpoints on stdout.
    pub fn announcements(&self) -> Vec<String> {
        let mut lines = vec![listening_message("parent-proxy", self.relay.local_endpoint())];
        lines.extend(
            self.services
                .admin
                .as_ref()
                .map(|admin| listening_message("parent-proxy admin", admin.local_endpoint())),
        );
        let direct = |(upstream, local)| {
            listening_message(&format!("parent-proxy direct {upstream}"), &local)
        };
        lines.extend(self.services.direct_listeners.local_endpoints().into_iter().map(direct));
        lines
    }

    /// Relays until `shutdown` is ready or a successor serves. Then drains the connections, for the drain
    /// timeout at most. The other services run until the end, or are taken over by the successor.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> DrainReport {
        let Self { mut listeners, mut upgrader, relay, services, .. } = self;
        let pool = Arc::clone(&relay.context().pool);
        let direct_listeners = Arc::clone(&services.direct_listeners);
        let phase = watch::Sender::new(Phase::Serving);
        let mut services = services.start(&relay, &phase);
        systemd::ready(&pool);
        let (listener_persists, limit) = (relay.listener_persists(), relay.context().drain_timeout);
        let served = async {
            let (drained, drained_direct) =
                tokio::join!(relay.run(wait_for_phase(&phase, Phase::Draining)), async {
                    wait_for_phase(&phase, Phase::Draining).await;
                    direct_listeners.drain().await
                });
            if *phase.borrow() == Phase::Replaced {
                services.finish(limit).await;
            }
            DrainReport { aborted: drained.aborted + drained_direct.aborted }
        };
        let mut shutdown = pin!(shutdown);
        let stop = async {
            let open =
                || listeners.duplicates().and_then(|open| direct_listeners.add_duplicates(open));
            tokio::select! {
                () = &mut shutdown => {
                    listeners.close();
                    systemd::stopping();
                    phase.send_replace(Phase::Draining);
                }
                () = upgrader.wait_for_successor(
                    open,
                    || pool.not_ready_reason().is_none(),
                    || systemd::ready(&pool),
                ) => {
                    listeners.hand_over();
                    direct_listeners.hand_over();
                    listener_persists.store(true, Ordering::Relaxed);
                    phase.send_replace(Phase::Replaced);
                    // The process drains already. The first shutdown signal changes nothing. A second signal
                    // ends the process.
                    tokio::join!(shutdown, upgrader.reject_requests());
                }
            }
            pending().await
        };
        let drained = tokio::select! {
            drained = served => drained,
            drained = stop => drained,
        };
        services.stop().await;
        drained
    }
}

/// Opens the listener of the configuration server, and checks that the archive can be read.
async fn bind_config_server(
    ConfigArchive { path, listen }: &ConfigArchive,
    listeners: &mut Listeners,
    peers: PeerPolicy,
) -> Result<ConfigServer, StartError> {
    let config_server = ConfigServer::new(listeners.listen(listen).await?, path.clone(), peers);
    let file = |error| {
        let (key, path) = ("config_archive", path.clone());
        StartError::File { key, path, error }
    };
    config_server.check().map_err(file)?;
    tracing::info!(listen = %config_server.local_endpoint(), "serving the configuration to enclaves");
    Ok(config_server)
}

/// Opens the file for received log lines, or returns standard output.
fn open_log_sink(log: &LogReceiverConfig) -> Result<Box<dyn Write + Send>, StartError> {
    Ok(match &log.file {
        None => Box::new(io::stdout()),
        Some(path) => {
            let file = LogFile::open(path);
            let (key, path) = ("log_file", path.clone());
            Box::new(file.map_err(|error| StartError::File { key, path, error })?)
        }
    })
}
