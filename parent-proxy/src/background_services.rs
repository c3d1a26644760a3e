//! All services for operators and for enclaves, which run beside the relay for clients.

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
use crate::relay::{ClientMetrics, EgressMetrics, Relay};
use crate::status::{ProcessMetrics, Status};
use crate::upstream_pool::PoolMetrics;
use crate::{admin, rejected_handshakes, reload, systemd};

/// The phase of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Serving,
    /// The process drains. Its services run until it ends.
    Draining,
    /// The process drains. A successor has all listeners.
    Replaced,
}

/// Waits until `phase` is `least` or a later one.
pub(crate) fn wait_for_phase(
    phase: &watch::Sender<Phase>,
    least: Phase,
) -> impl Future<Output = ()> + use<> {
    let mut phase = phase.subscribe();
    async move {
        // An error means that the process is about to end.
        let _ = phase.wait_for(|phase| *phase >= least).await;
    }
}

/// All services, not started yet.
#[derive(Debug)]
pub(crate) struct Services {
    pub(crate) admin: Option<Acceptor>,
    pub(crate) config_server: Option<ConfigServer>,
    pub(crate) egress: Vec<(String, Relay)>,
    /// The log receiver, and a handle to wait for its last line.
    pub(crate) log_receiver: Option<(LogReceiver, WriterDone)>,
    pub(crate) direct_listeners: Arc<DirectListeners>,
    /// The file from which SIGHUP reloads the upstreams.
    pub(crate) upstreams_file: Option<PathBuf>,
    pub(crate) sighup: Signal,
    pub(crate) log_lines_dropped: fn() -> u64,
}

/// The running services. Dropping this value ends them.
pub(crate) struct RunningServices {
    /// Tasks that end by themselves once a successor has the listeners.
    finishing: JoinSet<()>,
    background: JoinSet<()>,
    writer_done: Option<WriterDone>,
}

impl Services {
    /// Starts all services. They stop accepting connections once a successor has the listeners.
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
            // An egress route stops only for a successor, which then has its listener.
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
        background.spawn(run_until(replaced(), rejected_handshakes::run(Arc::clone(&pool))));
        background.spawn(run_until(replaced(), systemd::report_status(pool)));
        RunningServices { finishing, background, writer_done }
    }

    /// Returns a registry of the metrics of all subsystems.
    fn registry(&self, relay: &Relay) -> Registry {
        let mut registry = Registry::with_prefix(PREFIX);
        let mut register = |collector| registry.register_collector(collector);
        register(Box::new(ProcessMetrics { log_lines_dropped: self.log_lines_dropped }));
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
    /// Waits until all requests and all connections of egress routes have ended, for `limit` at most. Does
    /// not wait for log connections of enclaves, which never end by themselves.
    pub(crate) async fn finish(&mut self, limit: Duration) {
        let _ = timeout(limit, async { while self.finishing.join_next().await.is_some() {} }).await;
    }

    /// Stops all services, and waits until the last log lines are written.
    pub(crate) async fn stop(mut self) {
        self.finishing.shutdown().await;
        self.background.shutdown().await;
        if let Some(writer_done) = self.writer_done {
            writer_done.wait().await;
        }
    }
}

/// Runs `task` until `stop` is ready.
async fn run_until(stop: impl Future<Output = ()>, task: impl Future<Output = ()>) {
    tokio::select! {
        biased;
        () = stop => {}
        () = task => {}
    }
}
