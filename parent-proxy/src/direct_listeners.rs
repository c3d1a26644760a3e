//! DirectListener listeners: each leads to one named enclave, whether that is active, standby or ejected. By one of
//! them `attested-recipient trust` reaches an enclave before clients do.
//!
//! Connections are relayed as those of clients are, but are counted on their own: they take no slot of a
//! client's, and balancing does not see them.

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
use crate::context::RelayContext;
use crate::drain::DrainReport;
use crate::handover::NamedListener;
use crate::listeners::Listeners;
use crate::relay::Relay;
use crate::upstream::Upstream;

/// The direct listeners, which can change.
#[derive(Debug)]
pub(crate) struct DirectListeners {
    config: Config,
    open: Mutex<Vec<DirectListener>>,
    /// The relays of those that are open, and of those that were closed and drain.
    relays: Mutex<JoinSet<DrainReport>>,
}

/// One direct listener. It is closed, and its connections drain, once this is dropped.
#[derive(Debug)]
struct DirectListener {
    /// As it is configured.
    listen: Endpoint,
    local: Endpoint,
    context: Arc<RelayContext>,
    /// The one listener, for a successor.
    listeners: Listeners,
    /// Whether a successor has the listener as well.
    listener_persists: Arc<AtomicBool>,
    _stop: oneshot::Sender<()>,
}

impl DirectListeners {
    /// Opens the direct listeners of the configuration, with those that `inherited` has, and relays what
    /// comes.
    ///
    /// # Errors
    /// When an endpoint cannot be listened on.
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

    /// Returns the endpoint of each upstream that has a direct listener, and the address of that.
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

    /// Returns the upstreams at which direct listeners count their connections.
    pub(crate) fn upstreams(&self) -> Vec<Arc<Upstream>> {
        self.lock_open()
            .iter()
            .flat_map(|direct| direct.context.pool.upstreams().to_vec())
            .collect()
    }

    /// Closes, opens and redirects listeners, so that they are as `upstreams` says. One that cannot be opened
    /// is told by the log, and holds up nothing else.
    pub(crate) async fn replace(&self, upstreams: &[Enclave]) {
        let is_listed = |direct: &DirectListener| {
            with_direct_listener(upstreams).any(|(endpoint, _)| *endpoint == direct.listen)
        };
        let (kept, unlisted) = mem::take(&mut *self.lock_open()).into_iter().partition(is_listed);
        *self.lock_open() = kept;
        // First, for another may be opened at the same port.
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

    /// Owns from now on what was inherited: the process before has given way.
    pub(crate) fn take_ownership(&self) {
        self.lock_open().iter_mut().for_each(|direct| direct.listeners.take_ownership());
    }

    /// Adds descriptors for a successor, of all that are open now.
    ///
    /// # Errors
    /// If this process can have no more descriptors.
    pub(crate) fn add_duplicates(
        &self,
        mut others: Vec<NamedListener>,
    ) -> io::Result<Vec<NamedListener>> {
        for direct in self.lock_open().iter() {
            others.extend(direct.listeners.duplicates()?);
        }
        Ok(others)
    }

    /// Leaves all listeners to a successor.
    pub(crate) fn hand_over(&self) {
        for direct in self.lock_open().iter_mut() {
            direct.listeners.hand_over();
            direct.listener_persists.store(true, Ordering::Relaxed);
        }
    }

    /// Closes all of them, and waits until their connections have ended or are aborted at the drain timeout.
    pub(crate) async fn drain(&self) -> DrainReport {
        mem::take(&mut *self.lock_open());
        let relays = mem::take(&mut *self.lock_relays());
        DrainReport { aborted: relays.join_all().await.iter().map(|drained| drained.aborted).sum() }
    }

    /// Makes the listener at `endpoint` lead to `enclave`; returns `false` if there is none.
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

    /// Opens one listener, with the one in `listeners` if that has it.
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
        // Those that have ended need not be kept.
        while relays.try_join_next().is_some() {}
        relays.spawn(relay.run(async {
            // The error is that the sender is gone, which is the signal.
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

/// Closes listeners, and waits until none listens; their connections drain meanwhile.
async fn close(direct_listeners: Vec<DirectListener>) {
    for DirectListener { local, context, listeners, _stop, .. } in direct_listeners {
        let mut changes = context.pool.changes();
        drop((listeners, _stop));
        // The relay closes its pool once it has closed its listener. An error cannot be: the pool is here.
        while !context.pool.is_closed() && changes.changed().await.is_ok() {}
        tracing::info!(listen = %local, "direct listener closed");
    }
}

fn with_direct_listener(upstreams: &[Enclave]) -> impl Iterator<Item = (&Endpoint, &Enclave)> {
    upstreams.iter().filter_map(|enclave| Some((enclave.direct.as_ref()?, enclave)))
}

/// Returns the enclave as the only upstream of its direct listener: it is active there, and not asked.
fn as_only_upstream(enclave: &Enclave) -> Enclave {
    Enclave::at(enclave.endpoint.clone())
}
