//! The whole of it: the relay, and what is beside it.

use std::future::{Future, pending};
use std::io::{self, Write};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use transport::{Acceptor, Endpoint, ListenError, announcement};

use crate::beside::{Beside, Phase, reaches};
use crate::config::{Archive, Config, Log};
use crate::direct::Directs;
use crate::handout::Handout;
use crate::listeners::Listeners;
use crate::log_file::LogFile;
use crate::log_receiver::LogReceiver;
use crate::peer_policy::PeerPolicy;
use crate::predecessor::Predecessor;
use crate::relay::{Drained, Relay};
use crate::systemd;
use crate::upgrade::Upgrades;

/// Why nothing is relayed.
#[derive(Debug, Error)]
pub enum StartError {
    /// An endpoint.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A file.
    #[error("{key} {}: {error}", .path.display())]
    File {
        /// What it is configured as.
        key: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A signal.
    #[error("SIGHUP and SIGUSR2 cannot be waited for: {0}")]
    Signal(io::Error),
    /// A thread.
    #[error("the enclaves' lines have no thread: {0}")]
    Thread(io::Error),
    /// A process that this one should have succeeded.
    #[error("the listeners of the process before are not taken over: {0}")]
    Predecessor(io::Error),
}

/// A relay with all that it was configured with, listening.
#[derive(Debug)]
pub struct Proxy {
    listeners: Listeners,
    upgrades: Upgrades,
    predecessor: Option<Predecessor>,
    relay: Relay,
    beside: Beside,
}

impl Proxy {
    /// Listens wherever the configuration says, with what a predecessor hands over where there is one. No
    /// enclave need be up yet. `log_dropped` tells how many lines of the process's own log were lost.
    ///
    /// # Errors
    /// If an endpoint cannot be listened on, or a file not be used.
    pub async fn bind(config: &Config, log_dropped: fn() -> u64) -> Result<Self, StartError> {
        // Before anybody can know of this process, as the signals would end it.
        let hangup = signal(SignalKind::hangup()).map_err(StartError::Signal)?;
        let upgrades = Upgrades::new().map_err(StartError::Signal)?;
        let (predecessor, inherited) =
            Predecessor::from_process().map_err(StartError::Predecessor)?.unzip();
        let mut listeners = Listeners::of(inherited.unwrap_or_default());
        let relay = Relay::on(listeners.listen_for_clients(&config.listen).await?, config);
        let pool = &relay.context().pool;
        let peers = || PeerPolicy::enclaves(Arc::clone(pool));
        let handout = match &config.archive {
            None => None,
            Some(archive) => Some(handout(archive, &mut listeners, peers()).await?),
        };
        let mut egress = Vec::new();
        for route in &config.egress {
            let listener = listeners.listen(&route.listen).await?;
            let relay = Relay::of_route(listener, config, route, Arc::clone(pool));
            egress.push((route.to_string(), relay));
            tracing::info!(%route, "a way out is open");
        }
        let log_receiver = match &config.log {
            None => None,
            Some(log) => {
                let (listener, sink) = (listeners.listen(&log.listen).await?, sink(log)?);
                let started = LogReceiver::start(listener, peers(), sink);
                Some(started.map_err(StartError::Thread)?)
            }
        };
        let admin = match &config.admin_listen {
            None => None,
            Some(endpoint) => Some(Acceptor::new(listeners.listen(endpoint).await?)),
        };
        let directs = Arc::new(Directs::bind(config, &mut listeners).await?);
        let source = config.source.clone();
        let beside =
            Beside { admin, handout, egress, log_receiver, directs, source, hangup, log_dropped };
        Ok(Self { listeners, upgrades, predecessor, relay, beside })
    }

    /// Waits, where there is a predecessor, until it gives way.
    ///
    /// # Errors
    /// If it does not. Then it serves on, and this process must not.
    pub async fn take_over(&mut self) -> Result<(), StartError> {
        if let Some(predecessor) = self.predecessor.take() {
            let context = self.relay.context();
            predecessor.give_way(context).await.map_err(StartError::Predecessor)?;
            tracing::info!("took over all listeners of the process before");
        }
        self.listeners.own();
        self.beside.directs.own();
        Ok(())
    }

    /// Where clients connect, with the port the kernel chose where that was left to it.
    pub fn local_endpoint(&self) -> &Endpoint {
        self.relay.local_endpoint()
    }

    /// The lines that tell whoever started the process that it is ready.
    pub fn announcements(&self) -> Vec<String> {
        let mut lines = vec![announcement("parent-proxy", self.relay.local_endpoint())];
        lines.extend(
            self.beside
                .admin
                .as_ref()
                .map(|admin| announcement("parent-proxy admin", admin.local_endpoint())),
        );
        let direct =
            |(upstream, local)| announcement(&format!("parent-proxy direct {upstream}"), &local);
        lines.extend(self.beside.directs.local_endpoints().into_iter().map(direct));
        lines
    }

    /// Relays until `shutdown` is ready or a successor serves, then lets the connections finish, for the
    /// drain timeout at most. Whoever watches, and what enclaves need meanwhile, is served to the end, or
    /// by the successor.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Drained {
        let Self { mut listeners, mut upgrades, relay, beside, .. } = self;
        let pool = Arc::clone(&relay.context().pool);
        let directs = Arc::clone(&beside.directs);
        let phase = watch::Sender::new(Phase::Serving);
        let mut beside = beside.start(&relay, &phase);
        systemd::ready(&pool);
        let (outlived, limit) = (relay.outlived(), relay.context().drain_timeout);
        let served = async {
            let (drained, directly) =
                tokio::join!(relay.run(reaches(&phase, Phase::Stopping)), async {
                    reaches(&phase, Phase::Stopping).await;
                    directs.drain().await
                });
            if *phase.borrow() == Phase::Succeeded {
                beside.finish(limit).await;
            }
            Drained { aborted: drained.aborted + directly.aborted }
        };
        let mut shutdown = pin!(shutdown);
        let ends = async {
            let open = || listeners.duplicates().and_then(|open| directs.add_duplicates(open));
            tokio::select! {
                () = &mut shutdown => {
                    listeners.close();
                    systemd::stopping();
                    phase.send_replace(Phase::Stopping);
                }
                () = upgrades.succeeded(
                    open,
                    || pool.unreadiness().is_none(),
                    || systemd::ready(&pool),
                ) => {
                    listeners.leave();
                    directs.leave();
                    outlived.store(true, Ordering::Relaxed);
                    phase.send_replace(Phase::Succeeded);
                    // It drains already: the first signal to end changes nothing, a second one ends it.
                    tokio::join!(shutdown, upgrades.refuse());
                }
            }
            pending().await
        };
        let drained = tokio::select! {
            drained = served => drained,
            drained = ends => drained,
        };
        beside.end().await;
        drained
    }
}

async fn handout(
    Archive { path, listen }: &Archive,
    listeners: &mut Listeners,
    peers: PeerPolicy,
) -> Result<Handout, StartError> {
    let handout = Handout::on(listeners.listen(listen).await?, path.clone(), peers);
    let file = |error| {
        let (key, path) = ("config_archive", path.clone());
        StartError::File { key, path, error }
    };
    handout.check().map_err(file)?;
    tracing::info!(on = %handout.local_endpoint(), "enclaves can take their configuration");
    Ok(handout)
}

fn sink(log: &Log) -> Result<Box<dyn Write + Send>, StartError> {
    Ok(match &log.file {
        None => Box::new(io::stdout()),
        Some(path) => {
            let file = LogFile::open(path);
            let (key, path) = ("log_file", path.clone());
            Box::new(file.map_err(|error| StartError::File { key, path, error })?)
        }
    })
}
