//! An upstream: an enclave as the relay sees it.

mod counts;
mod state;

use std::error::Error;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};
use transport::{Endpoint, LogThrottle, Stream, connect};

pub(crate) use self::counts::{Counts, Traffic};
pub(crate) use self::state::{ClosePolicy, Health};
use crate::config::Enclave;
use crate::recent_handshakes::RecentHandshakes;
use crate::upstream_selection::{Candidate, RecentConnections};

/// One upstream. The relay keeps no connection to reuse: it connects anew for each client. After a failure, an
/// enclave that runs again therefore serves the next client.
#[derive(Debug)]
pub(crate) struct Upstream {
    enclave: Enclave,
    health: AtomicU8,
    open: AtomicUsize,
    recent: RecentConnections,
    /// True if the configuration excludes the upstream from clients.
    standby: AtomicBool,
    pub(crate) handshakes: RecentHandshakes,
    /// The policy by which connections to the upstream end.
    close_policy: watch::Sender<ClosePolicy>,
    /// True if the upstream was removed, or the relay drains. All connections to the upstream then end once
    /// they are idle.
    retired: AtomicBool,
    /// Requests an early health check.
    pub(crate) check_request: Notify,
    unreachable: LogThrottle,
    pub(crate) counts: Counts,
    pub(crate) traffic: Traffic,
}

impl Upstream {
    pub(crate) fn new(enclave: Enclave) -> Self {
        Self {
            health: AtomicU8::new(Health::Unknown.to_u8()),
            open: AtomicUsize::new(0),
            recent: RecentConnections::new(),
            standby: AtomicBool::new(enclave.standby),
            handshakes: RecentHandshakes::new(),
            close_policy: watch::Sender::new(ClosePolicy::when_idle_if(enclave.standby)),
            enclave,
            retired: AtomicBool::new(false),
            check_request: Notify::new(),
            unreachable: LogThrottle::default(),
            counts: Counts::default(),
            traffic: Traffic::default(),
        }
    }

    /// Returns the enclave as it was first configured. [`Self::is_standby`] returns its present state.
    pub(crate) fn enclave(&self) -> &Enclave {
        &self.enclave
    }

    /// Returns whether `enclave` has the endpoints of this upstream. A reload can change the other settings.
    pub(crate) fn matches(&self, enclave: &Enclave) -> bool {
        (&self.enclave.endpoint, &self.enclave.admin) == (&enclave.endpoint, &enclave.admin)
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.enclave.endpoint
    }

    /// Returns the number of open connections and connection attempts.
    pub(crate) fn open_connections(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    pub(crate) fn health(&self) -> Health {
        Health::from_u8(self.health.load(Ordering::Relaxed))
    }

    pub(crate) fn is_standby(&self) -> bool {
        self.standby.load(Ordering::Relaxed)
    }

    /// Makes the upstream standby or active. Returns whether that is a change. Connections to a standby
    /// upstream end once they are idle, unless the upstream becomes active again before.
    pub(crate) fn set_standby(&self, standby: bool) -> bool {
        let before = self.standby.swap(standby, Ordering::Relaxed);
        // Computed under the lock of the policy, so that concurrent changes do not overwrite each other.
        self.update_close_policy(|policy| {
            let is_ejected = self.health() == Health::Ejected;
            match standby || is_ejected || self.retired.load(Ordering::Relaxed) {
                true => policy.max(ClosePolicy::WhenIdle),
                false => ClosePolicy::KeepOpen,
            }
        });
        before != standby
    }

    /// Returns the values for the upstream selection.
    pub(crate) fn candidate(&self) -> Candidate {
        let is_ejected = self.health() == Health::Ejected;
        Candidate::new(is_ejected, self.handshakes.weight(), self.open_connections(), &self.recent)
    }

    /// Marks the upstream ready. Returns whether that is a change.
    pub(crate) fn mark_ready(&self) -> bool {
        let before = self.health.swap(Health::Ready.to_u8(), Ordering::Relaxed);
        // Computed under the lock of the policy, so that `retire` is not overwritten.
        self.update_close_policy(|_| {
            ClosePolicy::when_idle_if(self.retired.load(Ordering::Relaxed) || self.is_standby())
        });
        Health::from_u8(before) != Health::Ready
    }

    /// Ejects the upstream: the relay tries it for a client only after every upstream that is not ejected has failed.
    /// Open connections end by `policy`. Returns whether that is a change.
    pub(crate) fn eject(&self, policy: ClosePolicy) -> bool {
        let before = self.health.swap(Health::Ejected.to_u8(), Ordering::Relaxed);
        self.update_close_policy(|_| policy);
        let has_changed = Health::from_u8(before) != Health::Ejected;
        if has_changed {
            self.counts.ejections.fetch_add(1, Ordering::Relaxed);
        }
        has_changed
    }

    /// Ends all connections once they are idle. No later call can revoke this.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
        self.update_close_policy(|policy| policy.max(ClosePolicy::WhenIdle));
    }

    /// Changes the close policy. Wakes the connections only if the new policy differs.
    fn update_close_policy(&self, next: impl FnOnce(ClosePolicy) -> ClosePolicy) {
        self.close_policy.send_if_modified(|policy| {
            let before = mem::replace(policy, next(*policy));
            before != *policy
        });
    }

    /// Requests a health check soon.
    pub(crate) fn request_check(&self) {
        self.check_request.notify_one();
    }

    /// Counts a connection that starts now, until the lease is dropped.
    pub(crate) fn lease(self: &Arc<Self>) -> Lease {
        self.open.fetch_add(1, Ordering::Relaxed);
        Lease { upstream: Arc::clone(self), started: self.recent.start() }
    }

    /// Connects and sends `header`. Logs a failure and returns `None`.
    pub(crate) async fn connect(&self, header: &[u8], limit: Duration) -> Option<Stream> {
        let opened = async {
            let mut stream = connect(self.endpoint()).await?;
            stream.write_all(header).await?;
            Ok::<_, Box<dyn Error + Send + Sync>>(stream)
        };
        match timeout(limit, opened).await {
            Ok(Ok(stream)) => {
                self.counts.connections.fetch_add(1, Ordering::Relaxed);
                Some(stream)
            }
            Ok(Err(error)) => {
                self.record_connect_failure(&*error);
                None
            }
            Err(_) => {
                self.record_connect_failure(&ConnectTimeout(limit));
                None
            }
        }
    }

    /// Counts and logs a failed connection attempt, and requests a health check.
    fn record_connect_failure(&self, error: &(dyn Error + 'static)) {
        self.counts.connect_failures.fetch_add(1, Ordering::Relaxed);
        self.request_check();
        if self.unreachable.should_log() {
            let (upstream, cause) = (self.endpoint(), error.source());
            tracing::warn!(%upstream, %error, cause, "upstream unreachable");
        }
    }
}

/// The error of a connection attempt that exceeded its time limit.
#[derive(Debug, thiserror::Error)]
#[error("no connection within {} s", .0.as_secs_f64())]
struct ConnectTimeout(Duration);

/// A lease that counts as one connection of an upstream, until it is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    upstream: Arc<Upstream>,
    started: Instant,
}

impl Lease {
    pub(crate) fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Returns a receiver of the close policy.
    pub(crate) fn close_policy(&self) -> watch::Receiver<ClosePolicy> {
        self.upstream.close_policy.subscribe()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.upstream.open.fetch_sub(1, Ordering::Relaxed);
        self.upstream.recent.end(self.started);
    }
}
