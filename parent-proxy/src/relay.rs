//! A relay: it accepts connections, places them on threads and lets them finish at the end.

mod metrics;
mod newcomer;
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
use self::newcomer::{Newcomer, room};
use self::threads::Threads;
use crate::config::{Checks, Config, Enclave, Listen, Route};
use crate::context::{Ids, RelayContext};
use crate::peer_policy::PeerPolicy;
use crate::pool::Pool;
use crate::timeouts::Timeouts;
use crate::{checks, systemd};

/// Connections of one way out at a time, which an enclave has as many of.
const MAX_ROUTED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(63);

/// Connections of one direct listener at a time: operators use it, and not clients.
const MAX_DIRECT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(63);

/// The relay, listening.
#[derive(Debug)]
pub struct Relay {
    acceptor: Acceptor,
    context: Arc<RelayContext>,
    slots: Arc<Semaphore>,
    threads: NonZeroUsize,
    /// Whether another process has the listener as well, and keeps it.
    outlived: Arc<AtomicBool>,
}

/// How the last connections ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were still open at the drain timeout.
    pub aborted: usize,
}

impl Relay {
    /// Listens where the configuration says. No enclave need be up yet.
    ///
    /// # Errors
    /// When the endpoint cannot be listened on.
    pub async fn bind(config: &Config) -> Result<Self, ListenError> {
        let listener = match &config.listen {
            Listen::Endpoint(endpoint) => listen(endpoint).await?,
            Listen::Systemd => systemd::listener()?,
        };
        Ok(Self::on(listener, config))
    }

    /// Accepts clients from `listener`.
    pub(crate) fn on(listener: Listener, config: &Config) -> Self {
        let context = RelayContext {
            pool: Arc::new(Pool::new(&config.upstreams, config.connect_timeout, config.checks)),
            peers: PeerPolicy::clients(config.max_connections_per_client),
            introduces: config.proxy_protocol,
            ids: Ids::new(),
            timeouts: Timeouts::from(config),
            drain_timeout: config.drain_timeout,
        };
        let relay = Self::new(listener, context, config.max_connections, config.threads);
        relay.outlived.store(config.listen == Listen::Systemd, Ordering::Relaxed);
        relay
    }

    /// Accepts the enclaves of `pool` alone from `listener`, at one end of `route`.
    pub(crate) fn of_route(
        listener: Listener,
        config: &Config,
        route: &Route,
        pool: Arc<Pool>,
    ) -> Self {
        let host = Enclave::at(route.host.clone());
        let checks = Checks { interval: None, ..config.checks };
        let context = RelayContext {
            pool: Arc::new(Pool::new(&[host], config.connect_timeout, checks)),
            peers: PeerPolicy::enclaves(pool),
            introduces: false,
            ids: Ids::new(),
            timeouts: Timeouts::of_route(),
            drain_timeout: config.drain_timeout,
        };
        Self::new(listener, context, MAX_ROUTED, NonZeroUsize::MIN)
    }

    /// Relays what comes on `listener` to `enclave` alone, as it would be relayed from clients.
    pub(crate) fn of_direct(config: &Config, listener: Listener, enclave: Enclave) -> Self {
        let checks = Checks { interval: None, ..config.checks };
        let context = RelayContext {
            pool: Arc::new(Pool::new(&[enclave], config.connect_timeout, checks)),
            peers: PeerPolicy::clients(config.max_connections_per_client),
            introduces: config.proxy_protocol,
            ids: Ids::new(),
            timeouts: Timeouts::from(config),
            drain_timeout: config.drain_timeout,
        };
        Self::new(listener, context, MAX_DIRECT, NonZeroUsize::MIN)
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
            outlived: Arc::default(),
        }
    }

    /// What its connections have in common.
    pub(crate) fn context(&self) -> &Arc<RelayContext> {
        &self.context
    }

    /// Whether another process has the listener as well when this one stops.
    pub(crate) fn outlived(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.outlived)
    }

    /// Where clients connect, with the port the kernel chose where that was left to it.
    pub fn local_endpoint(&self) -> &Endpoint {
        self.acceptor.local_endpoint()
    }

    /// Relays until `shutdown` is ready, then stops listening and lets the connections finish,
    /// for the drain timeout at most.
    ///
    /// The first thread is the caller's, whose runtime may be of any kind; the others end with this.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> Drained {
        let (drain, drains) = watch::channel(false);
        let mut threads = Threads::start(self.threads, Arc::clone(&self.context), drains);
        let mut newcomer = None;
        let checks = checks::run(Arc::clone(&self.context.pool), self.context.introduces);
        let mut checks = pin!(checks);
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                () = &mut checks => {}
                () = threads.own.one_ended() => {}
                // One client at a time waits for room in this process; further ones wait in the kernel's
                // queue, where they cost it neither memory nor descriptors.
                slot = room(&self.slots, &self.context.peers, &mut newcomer) => {
                    if let (Some(slot), Some(newcomer)) = (slot, newcomer.take()) {
                        threads.place(newcomer, slot);
                    }
                }
                client = self.acceptor.accept(), if newcomer.is_none() => {
                    newcomer = self.admit(client, &mut threads);
                }
            }
        }
        self.take_waiting(newcomer, &mut threads).await;
        drop(self.acceptor);
        self.context.pool.close();
        drain.send_replace(true);
        Drained { aborted: threads.drain().await }
    }
}

impl Relay {
    /// Serves the clients in the kernel's queue: they are connected, as far as they know, and would be
    /// reset. In a queue that outlives this process they wait for the next one.
    async fn take_waiting(&mut self, newcomer: Option<Newcomer>, threads: &mut Threads) {
        if let Some(newcomer) = newcomer {
            // It is accepted, so no other process can serve it. One connection beyond the limit is no harm
            // to a relay that accepts no more.
            self.slots.add_permits(1);
            if let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
                threads.place(newcomer, slot);
            }
        }
        if self.outlived.load(Ordering::Relaxed) {
            return;
        }
        // No more than were in it at once, though others go on coming.
        for _ in 0..LISTEN_BACKLOG {
            // Then the runtime knows whether there is one, and lets it be taken.
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

    /// Serves a client that the peer policy admits. Returns it where it has to wait for a slot.
    fn admit(&self, client: Stream, threads: &mut Threads) -> Option<Newcomer> {
        let admission = self.context.peers.admit(&client)?;
        let has_room = admission.has_evicted();
        if has_room || self.slots.available_permits() == 0 {
            // It may be the next to make room before its task has read a byte.
            admission.look_for_request(&client);
        }
        let newcomer = Newcomer { client, admission, has_room };
        match Arc::clone(&self.slots).try_acquire_owned() {
            Ok(slot) => {
                threads.place(newcomer, slot);
                None
            }
            Err(_) => Some(newcomer),
        }
    }
}
