//! Direct listeners. Each direct listener leads to one enclave, even while that enclave is standby or
//! ejected. So `attested-recipient trust` can reach an enclave before clients do.
//!
//! The connections of direct listeners are relayed like those of clients, but counted separately. They do not
//! count toward `--max-connections`, and the upstream selection ignores them.

mod metrics;

use std::io;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::task::JoinSet;
use transport::{Endpoint, ListenError};

pub(crate) use self::metrics::DirectListenerMetrics;
use crate::config::{Config, Enclave};
use crate::drain::DrainReport;
use crate::handover::NamedListener;
use crate::listeners::Listeners;
use crate::relay::Relay;
use crate::relay_context::RelayContext;
use crate::upstream::Upstream;

/// The set of direct listeners. SIGHUP can change it.
#[derive(Debug)]
pub(crate) struct DirectListeners {
    config: Config,
    open: Mutex<Vec<DirectListener>>,
    /// The relays of open listeners, and of closed listeners whose connections still drain.
    relays: Mutex<JoinSet<DrainReport>>,
}

/// One direct listener. Dropping it closes the listener and drains its connections.
#[derive(Debug)]
struct DirectListener {
    /// The configured endpoint.
    listen: Endpoint,
    local: Endpoint,
    context: Arc<RelayContext>,
    /// Contains the one listener, to hand it over to a successor.
    listeners: Listeners,
    /// True if a successor also has the listener.
    listener_persists: Arc<AtomicBool>,
    _stop: oneshot::Sender<()>,
}

impl DirectListeners {
    /// Opens the configured direct listeners, and starts to relay their connections. If `inherited` has a
    /// listener with the configured endpoint, that listener is used and no new one is opened.
    ///
    /// # Errors
    /// If an endpoint cannot be listened on.
    pub(crate) async fn bind(
        config: &Config,
        inherited: &mut Listeners,
    ) -> Result<Self, ListenError> {
        let this =
            Self { config: config.clone(), open: Mutex::default(), relays: Mutex::default() };
        for (endpoint, enclave) in with_direct_listener(&config.upstreams) {
            this.open(endpoint, inherited.split_off(endpoint), enclave).await?;
        }
        Ok(this)
    }

    /// Returns the endpoint of each upstream that has a direct listener, with the endpoint of that listener.
    pub(crate) fn local_endpoints(&self) -> Vec<(Endpoint, Endpoint)> {
        let upstreams = |direct: &DirectListener| direct.context.pool.upstreams();
        let pair = |direct: &DirectListener, one: &Upstream| {
            (one.endpoint().clone(), direct.local.clone())
        };
        let of_one = |direct: &DirectListener| {
            upstreams(direct).iter().map(|one| pair(direct, one)).collect::<Vec<_>>()
        };
        self.lock_open().iter().flat_map(of_one).collect()
    }

    /// Returns the upstreams that count the connections of direct listeners.
    pub(crate) fn upstreams(&self) -> Vec<Arc<Upstream>> {
        self.lock_open()
            .iter()
            .flat_map(|direct| direct.context.pool.upstreams().to_vec())
            .collect()
    }

    /// Closes, opens and redirects listeners to match `upstreams`. A listener that cannot be opened is
    /// logged; the others are not affected.
    pub(crate) async fn replace(&self, upstreams: &[Enclave]) {
        let is_listed = |direct: &DirectListener| {
            with_direct_listener(upstreams).any(|(endpoint, _)| *endpoint == direct.listen)
        };
        let (kept, unlisted) = mem::take(&mut *self.lock_open()).into_iter().partition(is_listed);
        *self.lock_open() = kept;
        // Close first: a new listener may use the same port.
        close(unlisted).await;
        for (endpoint, enclave) in with_direct_listener(upstreams) {
            if self.redirect(endpoint, enclave) {
                continue;
            }
            if let Err(error) = self.open(endpoint, Listeners::default(), enclave).await {
                let upstream = &enclave.endpoint;
                tracing::error!(%upstream, "cannot open the direct listener: {error}");
            }
        }
    }

    /// Takes ownership of the inherited listeners. The predecessor must have handed over before.
    pub(crate) fn take_ownership(&self) {
        self.lock_open().iter_mut().for_each(|direct| direct.listeners.take_ownership());
    }

    /// Adds duplicate descriptors of all open listeners, for a successor.
    ///
    /// # Errors
    /// If this process cannot open more descriptors.
    pub(crate) fn add_duplicates(
        &self,
        mut others: Vec<NamedListener>,
    ) -> io::Result<Vec<NamedListener>> {
        for direct in self.lock_open().iter() {
            others.extend(direct.listeners.duplicates()?);
        }
        Ok(others)
    }

    /// Hands all listeners over to a successor.
    pub(crate) fn hand_over(&self) {
        for direct in self.lock_open().iter_mut() {
            direct.listeners.hand_over();
            direct.listener_persists.store(true, Ordering::Relaxed);
        }
    }

    /// Closes all listeners, and waits until their connections have ended or are aborted at the drain
    /// timeout.
    pub(crate) async fn drain(&self) -> DrainReport {
        mem::take(&mut *self.lock_open());
        let relays = mem::take(&mut *self.lock_relays());
        DrainReport { aborted: relays.join_all().await.iter().map(|drained| drained.aborted).sum() }
    }

    /// Redirects the listener at `endpoint` to `enclave`. Returns `false` if there is no such listener.
    fn redirect(&self, endpoint: &Endpoint, enclave: &Enclave) -> bool {
        let open = self.lock_open();
        let Some(direct) = open.iter().find(|direct| direct.listen == *endpoint) else {
            return false;
        };
        if !direct.context.pool.set_upstreams(&[as_only_upstream(enclave)]).added.is_empty() {
            let upstream = &enclave.endpoint;
            tracing::info!(listen = %direct.local, %upstream, "direct listener redirected");
        }
        true
    }

    /// Opens one listener, or uses the one in `listeners` with the same endpoint.
    async fn open(
        &self,
        endpoint: &Endpoint,
        mut listeners: Listeners,
        enclave: &Enclave,
    ) -> Result<(), ListenError> {
        let listener = listeners.listen(endpoint).await?;
        let relay = Relay::for_direct_listener(&self.config, listener, as_only_upstream(enclave));
        let listener_persists = relay.listener_persists();
        let (stop, stopped) = oneshot::channel::<()>();
        let (local, context) = (relay.local_endpoint().clone(), Arc::clone(relay.context()));
        tracing::info!(listen = %local, upstream = %enclave.endpoint, "direct listener opened");
        self.lock_open().push(DirectListener {
            listen: endpoint.clone(),
            local,
            context,
            listeners,
            listener_persists,
            _stop: stop,
        });
        let mut relays = self.lock_relays();
        // Forget relays that have ended.
        while relays.try_join_next().is_some() {}
        relays.spawn(relay.run(async {
            // An error means that the sender was dropped, which is the signal to stop.
            let _ = stopped.await;
        }));
        Ok(())
    }

    fn lock_open(&self) -> MutexGuard<'_, Vec<DirectListener>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_relays(&self) -> MutexGuard<'_, JoinSet<DrainReport>> {
        self.relays.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes listeners, and waits until their sockets are closed. Their connections drain meanwhile.
async fn close(direct_listeners: Vec<DirectListener>) {
    for DirectListener { local, context, listeners, _stop, .. } in direct_listeners {
        let mut changes = context.pool.changes();
        drop((listeners, _stop));
        // The relay closes its pool after its listener. `changed` cannot fail while `relay_context` holds the pool.
        while !context.pool.is_closed() && changes.changed().await.is_ok() {}
        tracing::info!(listen = %local, "direct listener closed");
    }
}

/// Returns the upstreams that have a direct listener, each with the listener's endpoint.
fn with_direct_listener(upstreams: &[Enclave]) -> impl Iterator<Item = (&Endpoint, &Enclave)> {
    upstreams.iter().filter_map(|enclave| Some((enclave.direct.as_ref()?, enclave)))
}

/// Returns the enclave as the only upstream of its direct listener. This upstream is active and has no health
/// checks.
fn as_only_upstream(enclave: &Enclave) -> Enclave {
    Enclave::at(enclave.endpoint.clone())
}
