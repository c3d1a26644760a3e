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

use crate::config_server::ConfigServer;
use crate::direct_listeners::{DirectListenerMetrics, DirectListeners};
use crate::log_receiver::{LogReceiver, WriterDone};
use crate::metrics::PREFIX;
use crate::pool::PoolMetrics;
use crate::relay::{ClientMetrics, EgressMetrics, Relay};
use crate::status::{ProcessMetrics, Status};
use crate::{admin, handshakes, reload, systemd};

/// How far a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Serving,
    /// It drains, and serves what is beside clients to the end.
    Draining,
    /// It drains, and a successor has all listeners.
    Replaced,
}

/// Waits until `phase` is that or a later one.
pub(crate) fn wait_for_phase(
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
pub(crate) struct Services {
    pub(crate) admin: Option<Acceptor>,
    pub(crate) config_server: Option<ConfigServer>,
    pub(crate) egress: Vec<(String, Relay)>,
    /// The receiver of enclaves' lines, and the handle to wait for the last one.
    pub(crate) log_receiver: Option<(LogReceiver, WriterDone)>,
    pub(crate) direct_listeners: Arc<DirectListeners>,
    /// Where the enclaves can be read anew.
    pub(crate) upstreams_file: Option<PathBuf>,
    pub(crate) sighup: Signal,
    pub(crate) log_dropped: fn() -> u64,
}

/// The same, running. It ends with this.
pub(crate) struct RunningServices {
    /// What ends by itself once a successor has the listeners.
    finishing: JoinSet<()>,
    background: JoinSet<()>,
    writer_done: Option<WriterDone>,
}

impl Services {
    /// Starts all of it, beside `relay`. What listens stops to once there is a successor.
    pub(crate) fn start(self, relay: &Relay, phase: &watch::Sender<Phase>) -> RunningServices {
        let pool = Arc::clone(&relay.context().pool);
        let registry = self.registry(relay);
        let replaced = || wait_for_phase(phase, Phase::Replaced);
        let (mut finishing, mut background) = (JoinSet::new(), JoinSet::new());
        if let Some(admin) = self.admin {
            let status = Status::new(Arc::clone(&pool), relay.context().proxy_protocol, registry);
            finishing.spawn(admin::run(admin, Arc::new(status), replaced()));
        }
        if let Some(config_server) = self.config_server {
            finishing.spawn(config_server.run(replaced()));
        }
        for (_, relay) in self.egress {
            // It stops for a successor alone.
            relay.listener_persists().store(true, Ordering::Relaxed);
            let stop = replaced();
            finishing.spawn(async {
                relay.run(stop).await;
            });
        }
        let writer_done = self.log_receiver.map(|(receiver, writer_done)| {
            background.spawn(receiver.run(replaced()));
            writer_done
        });
        let reload =
            reload::run(self.sighup, self.upstreams_file, Arc::clone(&pool), self.direct_listeners);
        background.spawn(run_until(replaced(), reload));
        background.spawn(run_until(replaced(), handshakes::run(Arc::clone(&pool))));
        background.spawn(run_until(replaced(), systemd::report_status(pool)));
        RunningServices { finishing, background, writer_done }
    }

    /// Returns the registry of the metrics of all subsystems.
    fn registry(&self, relay: &Relay) -> Registry {
        let mut registry = Registry::with_prefix(PREFIX);
        let mut register = |collector| registry.register_collector(collector);
        register(Box::new(ProcessMetrics { log_dropped: self.log_dropped }));
        register(Box::new(PoolMetrics(Arc::clone(&relay.context().pool))));
        register(Box::new(ClientMetrics(Arc::clone(relay.context()))));
        register(Box::new(DirectListenerMetrics(Arc::clone(&self.direct_listeners))));
        let routes = self.egress.iter();
        let routes = routes.map(|(route, relay)| (route.clone(), Arc::clone(relay.context())));
        register(Box::new(EgressMetrics(routes.collect())));
        if let Some((receiver, _)) = &self.log_receiver {
            register(Box::new(receiver.metrics()));
        }
        registry
    }
}

impl RunningServices {
    /// Waits until single requests and the connections of egress routes have ended, for `limit` at most.
    /// Enclaves' connections for their lines never do.
    pub(crate) async fn finish(&mut self, limit: Duration) {
        let _ = timeout(limit, async { while self.finishing.join_next().await.is_some() {} }).await;
    }

    /// Ends all of it, and waits for the last lines to be written.
    pub(crate) async fn stop(mut self) {
        self.finishing.shutdown().await;
        self.background.shutdown().await;
        if let Some(writer_done) = self.writer_done {
            writer_done.wait().await;
        }
    }
}

/// Does something until `stop` is ready, and not once more.
async fn run_until(stop: impl Future<Output = ()>, task: impl Future<Output = ()>) {
    tokio::select! {
        biased;
        () = stop => {}
        () = task => {}
    }
}
