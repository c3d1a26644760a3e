//! The whole of it: the relay, and what is beside it.

use std::future::{Future, pending};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use shared::transport::{Acceptor, Endpoint, ListenError, announcement, listen};
use thiserror::Error;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::admin;
use crate::channel::Channel;
use crate::config::{Archive, Config, Log};
use crate::direct::Directs;
use crate::gate::Gate;
use crate::handout::Handout;
use crate::handshakes;
use crate::log_file::LogFile;
use crate::metrics::{Counted, Lines, Watched};
use crate::pool::Pool;
use crate::relay::{Drained, Relay};
use crate::systemd;

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
    #[error("SIGHUP cannot be waited for: {0}")]
    Signal(io::Error),
}

/// A relay with all that it was configured with, listening.
#[derive(Debug)]
pub struct Proxy {
    relay: Relay,
    admin: Option<Acceptor>,
    handout: Option<Handout>,
    egress: Vec<(String, Relay)>,
    channel: Option<Channel>,
    directs: Arc<Directs>,
    /// Where the enclaves can be read anew.
    source: Option<PathBuf>,
    hangup: Signal,
    log_dropped: fn() -> u64,
}

impl Proxy {
    /// Listens wherever the configuration says. No enclave need be up yet. `log_dropped` tells how many
    /// lines of the process's own log were lost.
    ///
    /// # Errors
    /// If an endpoint cannot be listened on, or a file not be used.
    pub async fn bind(config: &Config, log_dropped: fn() -> u64) -> Result<Self, StartError> {
        // Before anybody can know of this process, as the signal would end it.
        let hangup = signal(SignalKind::hangup()).map_err(StartError::Signal)?;
        let relay = Relay::bind(config).await?;
        let pool = &relay.common().pool;
        let gate = || Gate::enclaves(Arc::clone(pool));
        let handout = match &config.archive {
            None => None,
            Some(Archive { path, listen }) => {
                let handout = Handout::bind(path.clone(), listen, gate()).await?;
                let file = |error| {
                    let (key, path) = ("config_archive", path.clone());
                    StartError::File { key, path, error }
                };
                handout.check().map_err(file)?;
                tracing::info!(on = %handout.local_endpoint(), "enclaves can take their configuration");
                Some(handout)
            }
        };
        let mut egress = Vec::new();
        for route in &config.egress {
            egress
                .push((route.to_string(), Relay::of_route(config, route, Arc::clone(pool)).await?));
            tracing::info!(%route, "a way out is open");
        }
        let channel = match &config.log {
            None => None,
            Some(log) => Some(Channel::bind(&log.listen, gate(), sink(log)?).await?),
        };
        let admin = match &config.admin_listen {
            None => None,
            Some(endpoint) => Some(Acceptor::new(listen(endpoint).await?)),
        };
        let directs = Arc::new(Directs::bind(config).await?);
        let source = config.source.clone();
        Ok(Self { relay, admin, handout, egress, channel, directs, source, hangup, log_dropped })
    }

    /// Where clients connect, with the port the kernel chose where that was left to it.
    pub fn local_endpoint(&self) -> &Endpoint {
        self.relay.local_endpoint()
    }

    /// The lines that tell whoever started the process that it is ready.
    pub fn announcements(&self) -> Vec<String> {
        let mut lines = vec![announcement("parent-proxy", self.relay.local_endpoint())];
        lines.extend(
            self.admin
                .as_ref()
                .map(|admin| announcement("parent-proxy admin", admin.local_endpoint())),
        );
        let direct =
            |(upstream, local)| announcement(&format!("parent-proxy direct {upstream}"), &local);
        lines.extend(self.directs.local_endpoints().into_iter().map(direct));
        lines
    }

    /// Relays until `shutdown` is ready, then lets the connections finish, for the drain timeout at
    /// most. Whoever watches, and what enclaves need meanwhile, is served to the end.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Drained {
        let Self { relay, admin, handout, egress, channel, directs, source, hangup, log_dropped } =
            self;
        let pool = Arc::clone(&relay.common().pool);
        let counted = Counted {
            relay: Arc::clone(relay.common()),
            egress: egress
                .iter()
                .map(|(route, relay)| (route.clone(), Arc::clone(relay.common())))
                .collect(),
            channel: channel.as_ref().map(|channel| Lines(channel.counts())),
            directs: Arc::clone(&directs),
            log_dropped,
        };
        // They end when they are dropped.
        let mut beside = JoinSet::new();
        if let Some(admin) = admin {
            beside.spawn(admin::run(admin, Arc::new(Watched::new(counted))));
        }
        if let Some(handout) = handout {
            beside.spawn(handout.run());
        }
        let last_lines = channel.as_ref().map(Channel::last);
        if let Some(channel) = channel {
            beside.spawn(channel.run());
        }
        for (_, relay) in egress {
            beside.spawn(async {
                relay.run(pending()).await;
            });
        }
        beside.spawn(reload(hangup, source, Arc::clone(&pool), Arc::clone(&directs)));
        beside.spawn(handshakes::run(Arc::clone(&pool)));
        beside.spawn(systemd::keep_told(Arc::clone(&pool)));
        systemd::ready(&pool);
        let (is_over, over) = oneshot::channel();
        let drained = relay.run(async {
            shutdown.await;
            systemd::stopping();
            // Nothing to drain is no reason to go on.
            let _ = is_over.send(());
        });
        let drained_directs = async {
            let _ = over.await;
            directs.drain().await
        };
        let (drained, directly) = tokio::join!(drained, drained_directs);
        let drained = Drained { aborted: drained.aborted + directly.aborted };
        beside.shutdown().await;
        if let Some(last) = last_lines {
            last.written().await;
        }
        drained
    }
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

/// Takes the list of enclaves anew at every SIGHUP. A file at fault changes nothing.
async fn reload(
    mut hangup: Signal,
    source: Option<PathBuf>,
    pool: Arc<Pool>,
    directs: Arc<Directs>,
) {
    while hangup.recv().await.is_some() {
        let Some(path) = &source else {
            tracing::warn!("SIGHUP: no file lists the upstreams, and nothing else is read anew");
            continue;
        };
        systemd::reloading();
        match Config::read_upstreams(path) {
            Ok(listed) => {
                pool.replace(&listed);
                directs.replace(&listed).await;
                tracing::info!(upstreams = listed.len(), "SIGHUP: the upstreams were read anew");
            }
            Err(error) => {
                let file = path.display();
                tracing::error!(%file, "SIGHUP: the upstreams stay as they are: {error}");
            }
        }
        systemd::ready(&pool);
    }
}
