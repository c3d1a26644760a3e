//! A relay. It accepts connections, assigns them to threads, and drains them at the end.

mod metrics;
mod pending_client;
mod threads;

use std::future::{Future, ready};
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Semaphore, watch};
use tokio::task::yield_now;
use transport::limits::LISTEN_BACKLOG;
use transport::{Acceptor, Endpoint, ListenError, Listener, Stream, listen};

pub(crate) use self::metrics::{ClientMetrics, EgressMetrics};
use self::pending_client::{PendingClient, wait_for_slot};
use self::threads::Threads;
use crate::config::{ClientListener, Config, Enclave, HealthChecks, Route};
use crate::drain::DrainReport;
use crate::peer_policy::PeerPolicy;
use crate::relay_context::{ConnectionIds, RelayContext};
use crate::timeouts::Timeouts;
use crate::upstream_pool::Pool;
use crate::{health_check, systemd};

/// Maximum number of connections of one egress route, the same limit as in the enclave.
const MAX_ROUTE_CONNECTIONS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(63);

/// Maximum number of connections of one direct listener, which operators use and clients do not.
const MAX_DIRECT_CONNECTIONS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(63);

/// A relay that listens.
#[derive(Debug)]
pub struct Relay {
    acceptor: Acceptor,
    context: Arc<RelayContext>,
    /// The slots: one permit for each connection that may be open.
    slots: Arc<Semaphore>,
    threads: NonZeroUsize,
    /// True if the listener stays open after this process: systemd or a successor has the same socket.
    listener_persists: Arc<AtomicBool>,
}

impl Relay {
    /// Opens the listener for clients. No enclave needs to run yet.
    ///
    /// # Errors
    /// If the endpoint cannot be listened on.
    pub async fn bind(config: &Config) -> Result<Self, ListenError> {
        let listener = match &config.listen {
            ClientListener::Endpoint(endpoint) => listen(endpoint).await?,
            ClientListener::Systemd => systemd::listener()?,
        };
        Ok(Self::for_clients(listener, config))
    }

    /// Creates a relay of the clients that connect to `listener`.
    pub(crate) fn for_clients(listener: Listener, config: &Config) -> Self {
        let context = RelayContext {
            pool: Arc::new(Pool::new(
                &config.upstreams,
                config.connect_timeout,
                config.health_checks,
            )),
            peer_policy: PeerPolicy::clients(config.max_connections_per_client),
            proxy_protocol: config.proxy_protocol,
            connection_ids: ConnectionIds::new(),
            timeouts: Timeouts::from(config),
            drain_timeout: config.drain_timeout,
        };
        let relay = Self::new(listener, context, config.max_connections, config.threads);
        relay.listener_persists.store(config.listen == ClientListener::Systemd, Ordering::Relaxed);
        relay
    }

    /// Creates a relay of an egress route, from the enclaves of `pool` to the host of `route`.
    pub(crate) fn for_route(
        listener: Listener,
        config: &Config,
        route: &Route,
        pool: Arc<Pool>,
    ) -> Self {
        let host = Enclave::at(route.host.clone());
        let checks = HealthChecks { interval: None, ..config.health_checks };
        let context = RelayContext {
            pool: Arc::new(Pool::new(&[host], config.connect_timeout, checks)),
            peer_policy: PeerPolicy::enclaves(pool),
            proxy_protocol: false,
            connection_ids: ConnectionIds::new(),
            timeouts: Timeouts::for_route(),
            drain_timeout: config.drain_timeout,
        };
        Self::new(listener, context, MAX_ROUTE_CONNECTIONS, NonZeroUsize::MIN)
    }

    /// Creates a relay of a direct listener. It has the timeouts of the relay for clients. `enclave` is its only
    /// upstream, without health checks.
    pub(crate) fn for_direct_listener(
        config: &Config,
        listener: Listener,
        enclave: Enclave,
    ) -> Self {
        let checks = HealthChecks { interval: None, ..config.health_checks };
        let context = RelayContext {
            pool: Arc::new(Pool::new(&[enclave], config.connect_timeout, checks)),
            peer_policy: PeerPolicy::clients(config.max_connections_per_client),
            proxy_protocol: config.proxy_protocol,
            connection_ids: ConnectionIds::new(),
            timeouts: Timeouts::from(config),
            drain_timeout: config.drain_timeout,
        };
        Self::new(listener, context, MAX_DIRECT_CONNECTIONS, NonZeroUsize::MIN)
    }

    fn new(
        listener: Listener,
        context: RelayContext,
        max_connections: NonZeroUsize,
        threads: NonZeroUsize,
    ) -> Self {
        let max_connections = max_connections.get().min(Semaphore::MAX_PERMITS);
        Self {
            acceptor: Acceptor::new(listener),
            context: Arc::new(context),
            slots: Arc::new(Semaphore::new(max_connections)),
            threads,
            listener_persists: Arc::default(),
        }
    }

    /// Returns the context that all connections share.
    pub(crate) fn context(&self) -> &Arc<RelayContext> {
        &self.context
    }

    /// Returns the flag that is true if the listener stays open after this process.
    pub(crate) fn listener_persists(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.listener_persists)
    }

    /// Returns the endpoint of the listener, with the port that the kernel chose for port 0.
    pub fn local_endpoint(&self) -> &Endpoint {
        self.acceptor.local_endpoint()
    }

    /// Relays until `shutdown` is ready. Then closes the listener and drains the connections, for the drain
    /// timeout at most.
    ///
    /// The caller's thread is the first relay thread, with a runtime of any kind. The other threads end with
    /// this future.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> DrainReport {
        let (drain, drains) = watch::channel(false);
        let mut threads = Threads::start(self.threads, Arc::clone(&self.context), drains);
        let mut pending = None;
        let checks = health_check::run(Arc::clone(&self.context.pool), self.context.proxy_protocol);
        let mut checks = pin!(checks);
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                () = &mut checks => {}
                () = threads.local.join_next() => {}
                // One client at a time waits for a slot in this process. Further clients wait in the kernel's
                // queue, where they use no memory and no descriptors of this process.
                slot = wait_for_slot(&self.slots, &self.context.peer_policy, &mut pending) => {
                    if let (Some(slot), Some(pending)) = (slot, pending.take()) {
                        threads.assign(pending, slot);
                    }
                }
                client = self.acceptor.accept(), if pending.is_none() => {
                    pending = self.admit(client, &mut threads);
                }
            }
        }
        self.serve_backlog(pending, &mut threads).await;
        drop(self.acceptor);
        self.context.pool.close();
        drain.send_replace(true);
        DrainReport { aborted: threads.drain().await }
    }
}

impl Relay {
    /// Serves the clients in the kernel's queue, because closing the listener would reset their connections.
    /// If the listener persists, these clients wait in the queue for the next process.
    async fn serve_backlog(&mut self, pending: Option<PendingClient>, threads: &mut Threads) {
        if let Some(pending) = pending {
            // The connection is accepted, so no other process can serve it. One connection above the limit is
            // harmless, because the relay accepts no more.
            self.slots.add_permits(1);
            if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
                threads.assign(pending, slot);
            }
        }
        if self.listener_persists.load(Ordering::Relaxed) {
            return;
        }
        // Accepts at most as many clients as the queue holds, even if more clients connect meanwhile.
        for _ in 0..LISTEN_BACKLOG {
            // Lets the runtime notice that the listener is readable.
            yield_now().await;
            if self.slots.available_permits() == 0 {
                return;
            }
            tokio::select! {
                biased;
                client = self.acceptor.accept() => {
                    if self.admit(client, threads).is_some() {
                        return;
                    }
                }
                () = ready(()) => return,
            }
        }
    }

    /// Serves a client that the peer policy admits. Returns the client if it must wait for a slot.
    fn admit(&self, client: Stream, threads: &mut Threads) -> Option<PendingClient> {
        let admission = self.context.peer_policy.admit(&client)?;
        let has_evicted = admission.has_evicted();
        if has_evicted || self.slots.available_permits() == 0 {
            // This connection may be the next candidate for eviction before its task has read a byte.
            admission.peek_request(&client);
        }
        let pending = PendingClient { client, admission, has_evicted };
        match Arc::clone(&self.slots).try_acquire_owned() {
            Ok(slot) => {
                threads.assign(pending, slot);
                None
            }
            Err(_) => Some(pending),
        }
    }
}
