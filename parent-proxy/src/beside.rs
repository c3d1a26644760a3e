//! What serves beside the relay of clients: who watches it, and what enclaves need.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prometheus_client::registry::Registry;
use tokio::signal::unix::Signal;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use transport::Acceptor;

use crate::config::Config;
use crate::direct::{DirectMetrics, Directs};
use crate::handout::Handout;
use crate::log_receiver::{LogReceiver, Written};
use crate::metrics::PREFIX;
use crate::pool::{Pool, PoolMetrics};
use crate::relay::{ClientMetrics, EgressMetrics, Relay};
use crate::status::{ProcessMetrics, Status};
use crate::{admin, handshakes, systemd};

/// How far a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Serving,
    /// It drains, and serves what is beside clients to the end.
    Stopping,
    /// It drains, and a successor has all listeners.
    Succeeded,
}

/// Waits until `phase` is that or a later one.
pub(crate) fn reaches(
    phase: &watch::Sender<Phase>,
    least: Phase,
) -> impl Future<Output = ()> + use<> {
    let mut phase = phase.subscribe();
    async move {
        // An error is a process that is about to end.
        let _ = phase.wait_for(|phase| *phase >= least).await;
    }
}

/// All of it, not started yet.
#[derive(Debug)]
pub(crate) struct Beside {
    pub(crate) admin: Option<Acceptor>,
    pub(crate) handout: Option<Handout>,
    pub(crate) egress: Vec<(String, Relay)>,
    /// The receiver of enclaves' lines, and the handle to wait for the last one.
    pub(crate) log_receiver: Option<(LogReceiver, Written)>,
    pub(crate) directs: Arc<Directs>,
    /// Where the enclaves can be read anew.
    pub(crate) source: Option<PathBuf>,
    pub(crate) hangup: Signal,
    pub(crate) log_dropped: fn() -> u64,
}

/// The same, running. It ends with this.
pub(crate) struct Running {
    /// What ends by itself once a successor has the listeners.
    ending: JoinSet<()>,
    lasting: JoinSet<()>,
    last_line: Option<Written>,
}

impl Beside {
    /// Starts all of it, beside `relay`. What listens stops to once there is a successor.
    pub(crate) fn start(self, relay: &Relay, phase: &watch::Sender<Phase>) -> Running {
        let pool = Arc::clone(&relay.context().pool);
        let registry = self.registry(relay);
        let succeeded = || reaches(phase, Phase::Succeeded);
        let (mut ending, mut lasting) = (JoinSet::new(), JoinSet::new());
        if let Some(admin) = self.admin {
            let status = Status::new(Arc::clone(&pool), relay.context().introduces, registry);
            ending.spawn(admin::run(admin, Arc::new(status), succeeded()));
        }
        if let Some(handout) = self.handout {
            ending.spawn(handout.run(succeeded()));
        }
        for (_, relay) in self.egress {
            // It stops for a successor alone.
            relay.outlived().store(true, Ordering::Relaxed);
            let stop = succeeded();
            ending.spawn(async {
                relay.run(stop).await;
            });
        }
        let last_line = self.log_receiver.map(|(receiver, last_line)| {
            lasting.spawn(receiver.run(succeeded()));
            last_line
        });
        let reload = reload(self.hangup, self.source, Arc::clone(&pool), self.directs);
        lasting.spawn(unless(succeeded(), reload));
        lasting.spawn(unless(succeeded(), handshakes::run(Arc::clone(&pool))));
        lasting.spawn(unless(succeeded(), systemd::keep_told(pool)));
        Running { ending, lasting, last_line }
    }

    /// Returns the registry of the metrics of all subsystems.
    fn registry(&self, relay: &Relay) -> Registry {
        let mut registry = Registry::with_prefix(PREFIX);
        let mut register = |collector| registry.register_collector(collector);
        register(Box::new(ProcessMetrics { log_dropped: self.log_dropped }));
        register(Box::new(PoolMetrics(Arc::clone(&relay.context().pool))));
        register(Box::new(ClientMetrics(Arc::clone(relay.context()))));
        register(Box::new(DirectMetrics(Arc::clone(&self.directs))));
        let routes = self.egress.iter();
        let routes = routes.map(|(route, relay)| (route.clone(), Arc::clone(relay.context())));
        register(Box::new(EgressMetrics(routes.collect())));
        if let Some((receiver, _)) = &self.log_receiver {
            register(Box::new(receiver.metrics()));
        }
        registry
    }
}

impl Running {
    /// Waits until single requests and the connections of egress routes have ended, for `limit` at most.
    /// Enclaves' connections for their lines never do.
    pub(crate) async fn finish(&mut self, limit: Duration) {
        let _ = timeout(limit, async { while self.ending.join_next().await.is_some() {} }).await;
    }

    /// Ends all of it, and waits for the last lines to be written.
    pub(crate) async fn end(mut self) {
        self.ending.shutdown().await;
        self.lasting.shutdown().await;
        if let Some(last_line) = self.last_line {
            last_line.wait().await;
        }
    }
}

/// Does something until `stop` is ready, and not once more.
async fn unless(stop: impl Future<Output = ()>, task: impl Future<Output = ()>) {
    tokio::select! {
        biased;
        () = stop => {}
        () = task => {}
    }
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
                tracing::info!(
                    upstreams = listed.len(),
                    "SIGHUP: the upstreams were read anew; other changes take effect by SIGUSR2"
                );
            }
            Err(error) => {
                let file = path.display();
                tracing::error!(%file, "SIGHUP: the upstreams stay as they are: {error}");
            }
        }
        systemd::ready(&pool);
    }
}
