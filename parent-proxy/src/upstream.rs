//! One enclave, as the relay sees it.

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
use crate::handshake_window::HandshakeWindow;
use crate::upstream_selection::{Candidate, RecentConnections};

/// The way to one enclave. It is tried anew for every client, so it recovers by itself.
#[derive(Debug)]
pub(crate) struct Upstream {
    enclave: Enclave,
    health: AtomicU8,
    open: AtomicUsize,
    recent: RecentConnections,
    /// Whether it gets no clients, because the configuration says so.
    standby: AtomicBool,
    pub(crate) handshakes: HandshakeWindow,
    /// Whether its connections are to end.
    close_policy: watch::Sender<ClosePolicy>,
    /// Whether they are to end for good.
    retired: AtomicBool,
    /// There is a reason to ask how it is.
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
            handshakes: HandshakeWindow::new(),
            close_policy: watch::Sender::new(ClosePolicy::when_idle_if(enclave.standby)),
            enclave,
            retired: AtomicBool::new(false),
            check_request: Notify::new(),
            unreachable: LogThrottle::default(),
            counts: Counts::default(),
            traffic: Traffic::default(),
        }
    }

    /// The enclave as it was first listed: whether it is standby, [`Self::is_standby`] knows.
    pub(crate) fn enclave(&self) -> &Enclave {
        &self.enclave
    }

    /// Whether `enclave` is the same one. Its other settings can change while it is listed.
    pub(crate) fn matches(&self, enclave: &Enclave) -> bool {
        (&self.enclave.endpoint, &self.enclave.admin) == (&enclave.endpoint, &enclave.admin)
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.enclave.endpoint
    }

    /// Connections to it, and attempts at some.
    pub(crate) fn open_connections(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    pub(crate) fn health(&self) -> Health {
        Health::from_u8(self.health.load(Ordering::Relaxed))
    }

    pub(crate) fn is_standby(&self) -> bool {
        self.standby.load(Ordering::Relaxed)
    }

    /// Makes it standby or active. Returns whether that is a change. Connections to an upstream that becomes
    /// standby end once they are quiet, unless it becomes active before.
    pub(crate) fn set_standby(&self, standby: bool) -> bool {
        let before = self.standby.swap(standby, Ordering::Relaxed);
        // Under the lock of what leaving and ejecting set, so that none undoes another.
        self.update_close_policy(|policy| {
            let is_ejected = self.health() == Health::Ejected;
            match standby || is_ejected || self.retired.load(Ordering::Relaxed) {
                true => policy.max(ClosePolicy::WhenIdle),
                false => ClosePolicy::KeepOpen,
            }
        });
        before != standby
    }

    /// Describes it to balancing.
    pub(crate) fn candidate(&self) -> Candidate {
        let is_ejected = self.health() == Health::Ejected;
        Candidate::new(is_ejected, self.handshakes.weight(), self.open_connections(), &self.recent)
    }

    /// It is ready from now on. Says whether that is news.
    pub(crate) fn mark_ready(&self) -> bool {
        let before = self.health.swap(Health::Ready.to_u8(), Ordering::Relaxed);
        // Under the lock of what leaving sets last, so that neither undoes the other.
        self.update_close_policy(|_| {
            ClosePolicy::when_idle_if(self.retired.load(Ordering::Relaxed) || self.is_standby())
        });
        Health::from_u8(before) != Health::Ready
    }

    /// It gets no more clients, and those it has may find another when they are quiet, or where
    /// `policy` says that it is unresponsive. Says whether that is news.
    pub(crate) fn eject(&self, policy: ClosePolicy) -> bool {
        let before = self.health.swap(Health::Ejected.to_u8(), Ordering::Relaxed);
        self.update_close_policy(|_| policy);
        let has_changed = Health::from_u8(before) != Health::Ejected;
        if has_changed {
            self.counts.ejections.fetch_add(1, Ordering::Relaxed);
        }
        has_changed
    }

    /// Its connections are to end, whatever becomes of it.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
        self.update_close_policy(|policy| policy.max(ClosePolicy::WhenIdle));
    }

    /// Wakes its connections only where that is news to them.
    fn update_close_policy(&self, next: impl FnOnce(ClosePolicy) -> ClosePolicy) {
        self.close_policy.send_if_modified(|policy| {
            let before = mem::replace(policy, next(*policy));
            before != *policy
        });
    }

    /// There is a reason to ask at once how it is.
    pub(crate) fn request_check(&self) {
        self.check_request.notify_one();
    }

    /// A place among those connected to it.
    pub(crate) fn lease(self: &Arc<Self>) -> Lease {
        self.open.fetch_add(1, Ordering::Relaxed);
        Lease { upstream: Arc::clone(self), started: self.recent.start() }
    }

    /// A connection to it, at whose beginning `header` has been sent; `None` where there is none, which
    /// the log then tells.
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
            Err(elapsed) => {
                self.record_connect_failure(&elapsed);
                None
            }
        }
    }

    fn record_connect_failure(&self, error: &(dyn Error + 'static)) {
        self.counts.connect_failures.fetch_add(1, Ordering::Relaxed);
        self.request_check();
        if self.unreachable.should_log() {
            let (upstream, cause) = (self.endpoint(), error.source());
            tracing::warn!(%upstream, %error, cause, "upstream unreachable");
        }
    }
}

/// A place among an upstream's connections, given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    upstream: Arc<Upstream>,
    started: Instant,
}

impl Lease {
    pub(crate) fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Tells when the connection is to end.
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
