//! The whole of it: the relay, and what is services it.

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

use crate::config::{Config, ConfigArchive, LogReceiverConfig};
use crate::config_server::ConfigServer;
use crate::direct_listeners::DirectListeners;
use crate::drain::DrainReport;
use crate::listeners::Listeners;
use crate::log_file::LogFile;
use crate::log_receiver::LogReceiver;
use crate::peer_policy::PeerPolicy;
use crate::predecessor::Predecessor;
use crate::relay::Relay;
use crate::services::{Phase, Services, wait_for_phase};
use crate::systemd;
use crate::upgrade::Upgrader;

/// Why nothing is relayed.
#[derive(Debug, Error)]
pub enum StartError {
    /// An endpoint.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A file.
    #[error("cannot use {key} {}: {error}", .path.display())]
    File {
        /// What it is configured as.
        key: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A signal.
    #[error("cannot wait for SIGHUP and SIGUSR2: {0}")]
    Signal(io::Error),
    /// A thread.
    #[error("cannot start the log receiver thread: {0}")]
    Thread(io::Error),
    /// A process that this one should have succeeded.
    #[error("cannot take over the listeners of the predecessor: {0}")]
    Predecessor(io::Error),
}

/// A relay with all that it was configured with, listening.
#[derive(Debug)]
pub struct Proxy {
    listeners: Listeners,
    upgrader: Upgrader,
    predecessor: Option<Predecessor>,
    relay: Relay,
    services: Services,
}

impl Proxy {
    /// Listens wherever the configuration says, with what a predecessor hands over where there is one. No
    /// enclave need be up yet. `log_dropped` tells how many lines of the process's own log were lost.
    ///
    /// # Errors
    /// If an endpoint cannot be listened on, or a file not be used.
    pub async fn bind(config: &Config, log_dropped: fn() -> u64) -> Result<Self, StartError> {
        // Before anybody can know of this process, as the signals would end it.
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
            log_dropped,
        };
        Ok(Self { listeners, upgrader, predecessor, relay, services })
    }

    /// Waits, where there is a predecessor, until it gives way.
    ///
    /// # Errors
    /// If it does not. Then it serves on, and this process must not.
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

    /// Where clients connect, with the port the kernel chose where that was left to it.
    pub fn local_endpoint(&self) -> &Endpoint {
        self.relay.local_endpoint()
    }

    /// The lines that tell whoever started the process that it is ready.
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

    /// Relays until `shutdown` is ready or a successor serves, then lets the connections finish, for the
    /// drain timeout at most. Whoever watches, and what enclaves need meanwhile, is served to the end, or
    /// by the successor.
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
                    // It drains already: the first signal to end changes nothing, a second one ends it.
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
