//! Whether enclaves are ready: each is asked, again and again.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::StatusCode;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::ask::{self, AskError};
use crate::config::Enclave;
use crate::pool::Pool;
use crate::upstream::{Closing, Upstream};

/// Bytes of an answer that says why an enclave is not ready.
const MAX_ANSWER_LENGTH: usize = 4096;

/// What came of one question.
#[derive(Debug)]
enum Finding {
    Ready,
    /// Somebody is there; more cannot be known.
    Present,
    /// It says so.
    NotReady(String),
    /// Nobody is there.
    Absent(String),
    /// It answered something else; one bad answer is none yet.
    Failed(String),
    /// It did not answer; once is none yet.
    Silent(String),
    /// Nothing that is the enclave's: it was not asked.
    Nothing,
}

/// Watches whatever is in the pool, until the future is dropped.
pub(crate) async fn run(pool: Arc<Pool>, introduced: bool) {
    let Some(interval) = pool.checks.interval else {
        return std::future::pending().await;
    };
    let mut news = pool.news();
    let mut watched: Vec<Watched> = Vec::new();
    loop {
        let upstreams = pool.upstreams();
        watched.retain(|one| upstreams.iter().any(|other| Arc::ptr_eq(&one.upstream, other)));
        for upstream in upstreams.iter() {
            if !watched.iter().any(|other| Arc::ptr_eq(upstream, &other.upstream)) {
                let task = watch(Arc::clone(upstream), Arc::clone(&pool), interval, introduced);
                let task = tokio::spawn(task).abort_handle();
                watched.push(Watched { upstream: Arc::clone(upstream), task });
            }
        }
        wait(&mut news).await;
    }
}

async fn wait(news: &mut watch::Receiver<()>) {
    // Who tells is there as long as the pool is.
    let _ = news.changed().await;
}

/// A task that ends with this.
struct Watched {
    upstream: Arc<Upstream>,
    task: AbortHandle,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The checks of one upstream.
struct Watch {
    upstream: Arc<Upstream>,
    pool: Arc<Pool>,
    /// Failed checks in a row.
    failures: usize,
    has_warned_of_present: bool,
}

async fn watch(upstream: Arc<Upstream>, pool: Arc<Pool>, interval: Duration, introduced: bool) {
    let mut watch = Watch { upstream, pool, failures: 0, has_warned_of_present: false };
    // Failed connection attempts of clients before the last successful check.
    let mut forgiven = 0;
    loop {
        let (upstream, pool) = (&watch.upstream, &watch.pool);
        let failed = upstream.counts.connect_failures.load(Ordering::Relaxed);
        let in_doubt = failed != forgiven;
        let finding = look(upstream.enclave(), introduced, in_doubt, pool.checks.timeout).await;
        count(upstream, &finding);
        if matches!(finding, Finding::Ready | Finding::Present) {
            forgiven = failed;
        }
        if watch.conclude(finding) {
            watch.pool.tell();
        }
        tokio::select! {
            () = sleep(interval) => {}
            // A client had no luck with it: it may be gone, and the next must not find out as well. But
            // a crowd of them must not ask as often as they come.
            () = async {
                watch.upstream.doubt.notified().await;
                sleep(SOON.min(interval)).await;
            } => {}
        }
    }
}

impl Watch {
    /// Restores or ejects the upstream, as `finding` says. Returns whether that is a change.
    fn conclude(&mut self, finding: Finding) -> bool {
        match finding {
            Finding::Ready => self.restore(),
            Finding::Present => {
                self.warn_of_present();
                self.restore()
            }
            Finding::NotReady(reason) => eject(&self.upstream, &reason, Closing::WhenQuiet),
            Finding::Absent(reason) => eject(&self.upstream, &reason, Closing::Unresponsive),
            Finding::Failed(reason) => self.fail(&reason, Closing::WhenQuiet),
            Finding::Silent(reason) => self.fail(&reason, Closing::Unresponsive),
            Finding::Nothing => false,
        }
    }

    fn restore(&mut self) -> bool {
        self.failures = 0;
        let is_news = self.upstream.restore();
        if is_news {
            tracing::info!(upstream = %self.upstream.endpoint(), "upstream ready");
        }
        is_news
    }

    /// Ejects the upstream after several failed checks in a row.
    fn fail(&mut self, reason: &str, closing: Closing) -> bool {
        self.failures += 1;
        self.failures >= self.pool.checks.unhealthy_after.get()
            && eject(&self.upstream, reason, closing)
    }

    fn warn_of_present(&mut self) {
        if !mem::replace(&mut self.has_warned_of_present, true) {
            tracing::warn!(
                upstream = %self.upstream.endpoint(),
                "whether it is ready cannot be known: it does not speak HTTP in plain there; give its \
                 ,admin=ENDPOINT"
            );
        }
    }
}

/// How long after a client had no luck it is looked into.
const SOON: Duration = Duration::from_millis(100);

fn eject(upstream: &Upstream, reason: &str, closing: Closing) -> bool {
    let is_news = upstream.eject(closing);
    if is_news {
        tracing::warn!(upstream = %upstream.endpoint(), reason, "upstream gets no more clients");
    }
    is_news
}

fn count(upstream: &Upstream, finding: &Finding) {
    let counts = &upstream.counts;
    let counter = match finding {
        Finding::Ready | Finding::Present => &counts.ready,
        Finding::NotReady(_) => &counts.not_ready,
        Finding::Absent(_) | Finding::Failed(_) | Finding::Silent(_) => &counts.failed,
        Finding::Nothing => return,
    };
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Where it says so at a door of its own, that is not enough while the clients' is in doubt. It is not
/// knocked at for less: to an enclave whose clients speak TLS that is a handshake that failed.
async fn look(enclave: &Enclave, introduced: bool, in_doubt: bool, limit: Duration) -> Finding {
    match ask::get(enclave, introduced, "/readyz", MAX_ANSWER_LENGTH, limit).await {
        Ok((StatusCode::OK, _)) if in_doubt && enclave.admin.is_some() => {
            match ask::knock(enclave, introduced, limit).await {
                Ok(()) => Finding::Ready,
                Err(error) => no_answer(error),
            }
        }
        Ok((StatusCode::OK, _)) => Finding::Ready,
        Ok((StatusCode::SERVICE_UNAVAILABLE, body)) => {
            Finding::NotReady(String::from_utf8_lossy(&body).trim_end().to_owned())
        }
        Ok((status, _)) => Finding::Failed(format!("its answer to /readyz is {status}")),
        Err(AskError::NotPlain(_)) if enclave.admin.is_none() => Finding::Present,
        Err(error) => no_answer(error),
    }
}

fn no_answer(error: AskError) -> Finding {
    match error {
        AskError::Unasked(_) => Finding::Nothing,
        AskError::Absent(_) => Finding::Absent(error.to_string()),
        AskError::NotPlain(_) => Finding::Failed(error.to_string()),
        AskError::Crowded(_) | AskError::Broken(_) | AskError::Late(_) => {
            Finding::Silent(error.to_string())
        }
    }
}
