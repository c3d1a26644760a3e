//! The enclaves of one relay, and which of them gets a client.

mod metrics;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;
use transport::{Endpoint, Stream};

pub(crate) use self::metrics::PoolMetrics;
use crate::balance::Totals;
use crate::config::{Checks, Enclave};
use crate::upstream::{Health, Lease, Upstream};

/// The upstreams, which can change.
#[derive(Debug)]
pub(crate) struct Pool {
    upstreams: RwLock<Arc<[Arc<Upstream>]>>,
    /// Those that were removed while they had connections.
    removed: Mutex<Vec<Arc<Upstream>>>,
    connect_timeout: Duration,
    pub(crate) checks: Checks,
    /// Counts clients, so that ties are broken by turns.
    turn: AtomicUsize,
    closed: AtomicBool,
    /// That the upstreams, or what is known of them, changed.
    news: watch::Sender<()>,
    /// Attempts made because another one failed.
    pub(crate) retries: AtomicU64,
    /// Clients for whom there was no upstream.
    pub(crate) unserved: AtomicU64,
}

impl Pool {
    pub(crate) fn new(upstreams: &[Enclave], connect_timeout: Duration, checks: Checks) -> Self {
        let upstreams = upstreams.iter().cloned().map(|enclave| Arc::new(Upstream::new(enclave)));
        Self {
            upstreams: RwLock::new(upstreams.collect()),
            removed: Mutex::default(),
            connect_timeout,
            checks,
            turn: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            news: watch::Sender::new(()),
            retries: AtomicU64::new(0),
            unserved: AtomicU64::new(0),
        }
    }

    /// Those there are now.
    pub(crate) fn upstreams(&self) -> Arc<[Arc<Upstream>]> {
        Arc::clone(&self.upstreams.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells of every change from now on.
    pub(crate) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    pub(crate) fn tell(&self) {
        self.news.send_replace(());
    }

    /// Connects to the upstream that balancing prefers, and sends `header`. Where that fails the next one is
    /// tried, as nothing of the client's has been sent yet; `None` if all fail. Standby ones are not tried.
    pub(crate) async fn connect(&self, header: &[u8]) -> Option<(Stream, Lease)> {
        let upstreams = self.upstreams();
        let mut untried: Vec<&Arc<Upstream>> =
            upstreams.iter().filter(|one| !one.is_standby()).collect();
        let (active, totals) =
            (untried.len(), Totals::of(untried.iter().map(|one| one.candidate())));
        // The first of those at a tie is tried first.
        let turn = self.turn.fetch_add(1, Ordering::Relaxed).checked_rem(untried.len());
        untried.rotate_left(turn.unwrap_or_default());
        while let Some(next) = best(&untried, &totals) {
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

    /// Takes `listed` for those there are. What is listed already goes on as it is, standby or active as it is
    /// listed now; connections to what is not any more end once they are quiet.
    pub(crate) fn replace(&self, listed: &[Enclave]) {
        let Exchanged { removed, added } = self.exchange(listed);
        for upstream in removed {
            tracing::info!(upstream = %upstream.endpoint(), "upstream removed");
        }
        for upstream in added {
            let standby = upstream.is_standby();
            tracing::info!(upstream = %upstream.endpoint(), standby, "upstream added");
        }
        for upstream in self.upstreams().iter() {
            let found = listed.iter().find(|enclave| upstream.is(enclave));
            if let Some(enclave) = found.filter(|enclave| upstream.set_standby(enclave.standby)) {
                let state = if enclave.standby { "standby" } else { "active" };
                tracing::info!(upstream = %upstream.endpoint(), state, "upstream changed its state");
            }
        }
        self.tell();
    }

    /// Takes `listed` for those there are, without a word in the log.
    pub(crate) fn exchange(&self, listed: &[Enclave]) -> Exchanged {
        let before = self.upstreams();
        let known = |enclave: &Enclave| before.iter().find(|one| one.is(enclave)).map(Arc::clone);
        let mut added = Vec::new();
        let now: Arc<[Arc<Upstream>]> = listed
            .iter()
            .map(|enclave| {
                known(enclave).unwrap_or_else(|| {
                    let upstream = Arc::new(Upstream::new(enclave.clone()));
                    added.push(Arc::clone(&upstream));
                    upstream
                })
            })
            .collect();
        let is_left = |one: &&Arc<Upstream>| !now.iter().any(|other| Arc::ptr_eq(one, other));
        let removed: Vec<_> = before.iter().filter(is_left).map(Arc::clone).collect();
        for upstream in &removed {
            upstream.leave();
            self.removed().push(Arc::clone(upstream));
        }
        *self.upstreams.write().unwrap_or_else(PoisonError::into_inner) = now;
        if self.is_closed() {
            self.close();
        }
        Exchanged { removed, added }
    }

    fn removed(&self) -> MutexGuard<'_, Vec<Arc<Upstream>>> {
        let mut removed = self.removed.lock().unwrap_or_else(PoisonError::into_inner);
        removed.retain(|upstream| upstream.open() > 0);
        removed
    }

    /// Open connections by upstream. One that was removed is among them until it has none, so that who
    /// waits for that to end it can see it.
    pub(crate) fn open(&self) -> BTreeMap<String, usize> {
        let mut open = BTreeMap::new();
        for upstream in self.upstreams().iter().chain(&*self.removed()) {
            *open.entry(upstream.endpoint().to_string()).or_default() += upstream.open();
        }
        open
    }

    /// All connections are to end.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.upstreams().iter().for_each(|upstream| upstream.leave());
        self.tell();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Why a client would not be served, as far as is known.
    pub(crate) fn unreadiness(&self) -> Option<&'static str> {
        if self.is_closed() {
            return Some("draining");
        }
        if self.number_of_active() == 0 {
            return Some("every upstream is standby");
        }
        (self.number_of_ready() == 0).then_some("no enclave is ready")
    }

    /// Upstreams that get clients.
    pub(crate) fn number_of_active(&self) -> usize {
        self.upstreams().iter().filter(|one| !one.is_standby()).count()
    }

    /// Active upstreams that say they are ready; where they are not asked, all active ones.
    pub(crate) fn number_of_ready(&self) -> usize {
        let is_ready = |one: &&Arc<Upstream>| match self.checks.interval {
            None => true,
            Some(_) => one.health() == Health::Ready,
        };
        self.upstreams().iter().filter(|one| !one.is_standby()).filter(is_ready).count()
    }

    /// Whether an enclave of this CID is one of them.
    pub(crate) fn has_cid(&self, cid: u32) -> bool {
        let is_it = |upstream: &Arc<Upstream>| matches!(upstream.endpoint(), Endpoint::Vsock { cid: known, .. } if *known == cid);
        self.upstreams().iter().any(is_it)
    }
}

/// The upstreams that [`Pool::exchange`] changed.
#[derive(Debug)]
pub(crate) struct Exchanged {
    pub(crate) removed: Vec<Arc<Upstream>>,
    pub(crate) added: Vec<Arc<Upstream>>,
}

/// Returns the place among `untried` of the upstream that balancing prefers, those not known to fail first.
fn best(untried: &[&Arc<Upstream>], totals: &Totals) -> Option<usize> {
    let candidates = untried.iter().map(|one| one.candidate()).enumerate();
    candidates.min_by(|(_, one), (_, other)| totals.compare(one, other)).map(|(place, _)| place)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    #[test]
    fn connections_to_what_was_removed_are_counted_until_they_end() {
        let listed = |text: &str| [text.parse::<Enclave>().unwrap()];
        let seconds = Duration::from_secs(1);
        let checks =
            Checks { interval: None, timeout: seconds, unhealthy_after: NonZeroUsize::MIN };
        let pool = Pool::new(&listed("unix:/a"), seconds, checks);
        let (first, second) = (pool.upstreams()[0].lease(), pool.upstreams()[0].lease());
        let open = |name, count| (format!("unix:/{name}"), count);

        pool.replace(&listed("unix:/b"));
        assert_eq!(pool.open(), [open("a", 2), open("b", 0)].into());
        drop(first);
        assert_eq!(pool.open(), [open("a", 1), open("b", 0)].into());
        // Its name is there once, however often it comes and goes.
        pool.replace(&listed("unix:/a"));
        let third = pool.upstreams()[0].lease();
        assert_eq!(pool.open(), [open("a", 2)].into());
        drop((second, third));
        pool.replace(&listed("unix:/b"));
        assert_eq!(pool.open(), [open("b", 0)].into());
    }
}
