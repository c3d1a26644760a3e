//! The upstream enclaves of one relay.

mod metrics;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;
use transport::{Endpoint, Stream};

pub(crate) use self::metrics::PoolMetrics;
use crate::config::{Enclave, HealthChecks};
use crate::upstream::{Health, Lease, Upstream};
use crate::upstream_selection::{Totals, select};

/// A set of upstreams. SIGHUP can change it.
#[derive(Debug)]
pub(crate) struct Pool {
    upstreams: RwLock<Arc<[Arc<Upstream>]>>,
    /// Upstreams that were removed while they had connections.
    removed: Mutex<Vec<Arc<Upstream>>>,
    connect_timeout: Duration,
    pub(crate) health_checks: HealthChecks,
    /// Number of clients so far. It selects among equal upstreams in turn.
    next_turn: AtomicUsize,
    closed: AtomicBool,
    /// Signals changes of the set and of the upstreams' state.
    changes: watch::Sender<()>,
    /// Number of connection attempts that followed a failed one.
    pub(crate) retries: AtomicU64,
    /// Number of clients that were closed because no upstream accepted a connection.
    pub(crate) unserved: AtomicU64,
}

impl Pool {
    pub(crate) fn new(
        upstreams: &[Enclave],
        connect_timeout: Duration,
        health_checks: HealthChecks,
    ) -> Self {
        let upstreams = upstreams.iter().cloned().map(|enclave| Arc::new(Upstream::new(enclave)));
        Self {
            upstreams: RwLock::new(upstreams.collect()),
            removed: Mutex::default(),
            connect_timeout,
            health_checks,
            next_turn: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            changes: watch::Sender::new(()),
            retries: AtomicU64::new(0),
            unserved: AtomicU64::new(0),
        }
    }

    /// Returns the current upstreams.
    pub(crate) fn upstreams(&self) -> Arc<[Arc<Upstream>]> {
        Arc::clone(&self.upstreams.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns a receiver of all changes from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Signals a change to all receivers.
    pub(crate) fn notify_changed(&self) {
        self.changes.send_replace(());
    }

    /// Connects to the selected upstream and sends `header`. If the connection fails, tries the next
    /// upstream. This is safe, because no client bytes have been sent yet. Returns `None` if all connection
    /// attempts fail. Standby upstreams are not tried.
    pub(crate) async fn connect(&self, header: &[u8]) -> Option<(Stream, Lease)> {
        let upstreams = self.upstreams();
        let mut untried: Vec<&Arc<Upstream>> =
            upstreams.iter().filter(|one| !one.is_standby()).collect();
        let (active, totals) =
            (untried.len(), Totals::sum(untried.iter().map(|one| one.candidate())));
        // The first of several equal upstreams is selected, so start at a different one for each client.
        let turn = self.next_turn.fetch_add(1, Ordering::Relaxed).checked_rem(untried.len());
        untried.rotate_left(turn.unwrap_or_default());
        while let Some(next) = select(untried.iter().map(|one| one.candidate()), &totals) {
            if untried.len() < active {
                self.retries.fetch_add(1, Ordering::Relaxed);
            }
            let upstream = untried.swap_remove(next);
            let lease = upstream.lease();
            if let Some(stream) = upstream.connect(header, self.connect_timeout).await {
                return Some((stream, lease));
            }
        }
        self.unserved.fetch_add(1, Ordering::Relaxed);
        None
    }

    /// Replaces the upstreams by `listed`, and logs the changes. Upstreams that stay keep their state and
    /// connections, but become standby or active as listed. Connections to removed upstreams end once they
    /// are idle.
    pub(crate) fn replace(&self, listed: &[Enclave]) {
        let PoolChange { removed, added } = self.set_upstreams(listed);
        for upstream in removed {
            tracing::info!(upstream = %upstream.endpoint(), "upstream removed");
        }
        for upstream in added {
            let standby = upstream.is_standby();
            tracing::info!(upstream = %upstream.endpoint(), standby, "upstream added");
        }
        for upstream in self.upstreams().iter() {
            let found = listed.iter().find(|enclave| upstream.matches(enclave));
            if let Some(enclave) = found.filter(|enclave| upstream.set_standby(enclave.standby)) {
                let state = if enclave.standby { "standby" } else { "active" };
                tracing::info!(upstream = %upstream.endpoint(), state, "upstream changed its state");
            }
        }
        self.notify_changed();
    }

    /// Replaces the upstreams by `listed` without logging. Returns the changes.
    pub(crate) fn set_upstreams(&self, listed: &[Enclave]) -> PoolChange {
        let before = self.upstreams();
        let existing =
            |enclave: &Enclave| before.iter().find(|one| one.matches(enclave)).map(Arc::clone);
        let mut added = Vec::new();
        let now: Arc<[Arc<Upstream>]> = listed
            .iter()
            .map(|enclave| {
                existing(enclave).unwrap_or_else(|| {
                    let upstream = Arc::new(Upstream::new(enclave.clone()));
                    added.push(Arc::clone(&upstream));
                    upstream
                })
            })
            .collect();
        let is_removed = |one: &&Arc<Upstream>| !now.iter().any(|other| Arc::ptr_eq(one, other));
        let removed: Vec<_> = before.iter().filter(is_removed).map(Arc::clone).collect();
        for upstream in &removed {
            upstream.retire();
            self.removed().push(Arc::clone(upstream));
        }
        *self.upstreams.write().unwrap_or_else(PoisonError::into_inner) = now;
        if self.is_closed() {
            self.close();
        }
        PoolChange { removed, added }
    }

    /// Locks the list of removed upstreams, and removes the upstreams without connections from it.
    fn removed(&self) -> MutexGuard<'_, Vec<Arc<Upstream>>> {
        let mut removed = self.removed.lock().unwrap_or_else(PoisonError::into_inner);
        removed.retain(|upstream| upstream.open_connections() > 0);
        removed
    }

    /// Returns the number of open connections by upstream, including removed upstreams that still have some.
    pub(crate) fn open_connections(&self) -> BTreeMap<String, usize> {
        let mut open = BTreeMap::new();
        for upstream in self.upstreams().iter().chain(&*self.removed()) {
            *open.entry(upstream.endpoint().to_string()).or_default() +=
                upstream.open_connections();
        }
        open
    }

    /// Ends all connections once they are idle, including those to upstreams that are added later.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.upstreams().iter().for_each(|upstream| upstream.retire());
        self.notify_changed();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Returns the reason why a client would not be served, or `None` if no reason is known.
    pub(crate) fn not_ready_reason(&self) -> Option<&'static str> {
        if self.is_closed() {
            return Some("draining");
        }
        if self.active_count() == 0 {
            return Some("every upstream is standby");
        }
        (self.ready_count() == 0).then_some("no enclave is ready")
    }

    /// Returns the number of active upstreams, which get clients.
    pub(crate) fn active_count(&self) -> usize {
        self.upstreams().iter().filter(|one| !one.is_standby()).count()
    }

    /// Returns the number of active upstreams that are ready. Without health checks, all active upstreams
    /// count as ready.
    pub(crate) fn ready_count(&self) -> usize {
        let is_ready = |one: &&Arc<Upstream>| match self.health_checks.interval {
            None => true,
            Some(_) => one.health() == Health::Ready,
        };
        self.upstreams().iter().filter(|one| !one.is_standby()).filter(is_ready).count()
    }

    /// Returns whether an upstream has this CID.
    pub(crate) fn has_cid(&self, cid: u32) -> bool {
        let has_this_cid = |upstream: &Arc<Upstream>| matches!(upstream.endpoint(), Endpoint::Vsock { cid: own, .. } if *own == cid);
        self.upstreams().iter().any(has_this_cid)
    }
}

/// The changes that [`Pool::set_upstreams`] made.
#[derive(Debug)]
pub(crate) struct PoolChange {
    pub(crate) removed: Vec<Arc<Upstream>>,
    pub(crate) added: Vec<Arc<Upstream>>,
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    #[test]
    fn counts_connections_of_removed_upstreams_until_they_end() {
        let listed = |text: &str| [text.parse::<Enclave>().unwrap()];
        let seconds = Duration::from_secs(1);
        let checks =
            HealthChecks { interval: None, timeout: seconds, unhealthy_after: NonZeroUsize::MIN };
        let pool = Pool::new(&listed("unix:/a"), seconds, checks);
        let (first, second) = (pool.upstreams()[0].lease(), pool.upstreams()[0].lease());
        let open = |name, count| (format!("unix:/{name}"), count);

        pool.replace(&listed("unix:/b"));
        assert_eq!(pool.open_connections(), [open("a", 2), open("b", 0)].into());
        drop(first);
        assert_eq!(pool.open_connections(), [open("a", 1), open("b", 0)].into());
        // There is one entry per name, even if a removed and a current upstream have the same name.
        pool.replace(&listed("unix:/a"));
        let third = pool.upstreams()[0].lease();
        assert_eq!(pool.open_connections(), [open("a", 2)].into());
        drop((second, third));
        pool.replace(&listed("unix:/b"));
        assert_eq!(pool.open_connections(), [open("b", 0)].into());
    }
}
