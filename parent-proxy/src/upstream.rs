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
use transport::{Endpoint, Episode, Stream, connect};

pub(crate) use self::counts::{Counts, Traffic};
pub(crate) use self::state::{Closing, Health};
use crate::balance::{Candidate, Recent};
use crate::config::Enclave;
use crate::handshake_window::HandshakeWindow;

/// The way to one enclave. It is tried anew for every client, so it recovers by itself.
#[derive(Debug)]
pub(crate) struct Upstream {
    enclave: Enclave,
    health: AtomicU8,
    open: AtomicUsize,
    recent: Recent,
    /// Whether it gets no clients, because the configuration says so.
    standby: AtomicBool,
    pub(crate) handshakes: HandshakeWindow,
    /// Whether its connections are to end.
    closing: watch::Sender<Closing>,
    /// Whether they are to end for good.
    left: AtomicBool,
    /// There is a reason to ask how it is.
    pub(crate) doubt: Notify,
    unreachable: Episode,
    pub(crate) counts: Counts,
    pub(crate) traffic: Traffic,
}

impl Upstream {
    pub(crate) fn new(enclave: Enclave) -> Self {
        Self {
            health: AtomicU8::new(Health::Unknown.to_number()),
            open: AtomicUsize::new(0),
            recent: Recent::new(),
            standby: AtomicBool::new(enclave.standby),
            handshakes: HandshakeWindow::new(),
            closing: watch::Sender::new(Closing::when_quiet(enclave.standby)),
            enclave,
            left: AtomicBool::new(false),
            doubt: Notify::new(),
            unreachable: Episode::default(),
            counts: Counts::default(),
            traffic: Traffic::default(),
        }
    }

    /// The enclave as it was first listed: whether it is standby, [`Self::is_standby`] knows.
    pub(crate) fn enclave(&self) -> &Enclave {
        &self.enclave
    }

    /// Whether `enclave` is the same one. Its other settings can change while it is listed.
    pub(crate) fn is(&self, enclave: &Enclave) -> bool {
        (&self.enclave.endpoint, &self.enclave.admin) == (&enclave.endpoint, &enclave.admin)
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.enclave.endpoint
    }

    /// Connections to it, and attempts at some.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    pub(crate) fn health(&self) -> Health {
        Health::of_number(self.health.load(Ordering::Relaxed))
    }

    pub(crate) fn is_standby(&self) -> bool {
        self.standby.load(Ordering::Relaxed)
    }

    /// Makes it standby or active. Returns whether that is a change. Connections to an upstream that becomes
    /// standby end once they are quiet, unless it becomes active before.
    pub(crate) fn set_standby(&self, standby: bool) -> bool {
        let before = self.standby.swap(standby, Ordering::Relaxed);
        // Under the lock of what leaving and ejecting set, so that none undoes another.
        self.set_closing(|closing| {
            let is_ejected = self.health() == Health::Ejected;
            match standby || is_ejected || self.left.load(Ordering::Relaxed) {
                true => closing.max(Closing::WhenQuiet),
                false => Closing::No,
            }
        });
        before != standby
    }

    /// Describes it to balancing.
    pub(crate) fn candidate(&self) -> Candidate {
        let is_ejected = self.health() == Health::Ejected;
        Candidate::new(is_ejected, self.handshakes.weight(), self.open(), &self.recent)
    }

    /// It is ready from now on. Says whether that is news.
    pub(crate) fn restore(&self) -> bool {
        let before = self.health.swap(Health::Ready.to_number(), Ordering::Relaxed);
        // Under the lock of what leaving sets last, so that neither undoes the other.
        self.set_closing(|_| {
            Closing::when_quiet(self.left.load(Ordering::Relaxed) || self.is_standby())
        });
        Health::of_number(before) != Health::Ready
    }

    /// It gets no more clients, and those it has may find another when they are quiet, or where
    /// `closing` says that it is unresponsive. Says whether that is news.
    pub(crate) fn eject(&self, closing: Closing) -> bool {
        let before = self.health.swap(Health::Ejected.to_number(), Ordering::Relaxed);
        self.set_closing(|_| closing);
        let is_news = Health::of_number(before) != Health::Ejected;
        if is_news {
            self.counts.ejections.fetch_add(1, Ordering::Relaxed);
        }
        is_news
    }

    /// Its connections are to end, whatever becomes of it.
    pub(crate) fn leave(&self) {
        self.left.store(true, Ordering::Relaxed);
        self.set_closing(|closing| closing.max(Closing::WhenQuiet));
    }

    /// Wakes its connections only where that is news to them.
    fn set_closing(&self, next: impl FnOnce(Closing) -> Closing) {
        self.closing.send_if_modified(|closing| {
            let before = mem::replace(closing, next(*closing));
            before != *closing
        });
    }

    /// There is a reason to ask at once how it is.
    pub(crate) fn suspect(&self) {
        self.doubt.notify_one();
    }

    /// A place among those connected to it.
    pub(crate) fn lease(self: &Arc<Self>) -> Lease {
        self.open.fetch_add(1, Ordering::Relaxed);
        Lease { upstream: Arc::clone(self), begun: self.recent.begin() }
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
                self.failed(&*error);
                None
            }
            Err(elapsed) => {
                self.failed(&elapsed);
                None
            }
        }
    }

    fn failed(&self, error: &(dyn Error + 'static)) {
        self.counts.connect_failures.fetch_add(1, Ordering::Relaxed);
        self.suspect();
        if self.unreachable.begins() {
            let (upstream, cause) = (self.endpoint(), error.source());
            tracing::warn!(%upstream, %error, cause, "upstream unreachable");
        }
    }
}

/// A place among an upstream's connections, given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Lease {
    upstream: Arc<Upstream>,
    begun: Instant,
}

impl Lease {
    pub(crate) fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Tells when the connection is to end.
    pub(crate) fn closing(&self) -> watch::Receiver<Closing> {
        self.upstream.closing.subscribe()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.upstream.open.fetch_sub(1, Ordering::Relaxed);
        self.upstream.recent.end(self.begun);
    }
}
