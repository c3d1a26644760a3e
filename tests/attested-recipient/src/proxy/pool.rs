//! Idle connections to the upstream, which are verified.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use attestation::receipt::MAX_DOCUMENT_USE_SECS;
use tokio::time::{MissedTickBehavior, interval, timeout};
use transport::LogThrottle;

use super::metrics::Metrics;
use crate::verified_connection::{ConnectionError, ErrorKind, VerifiedConnection, Verifier};

/// Interval of the checks of idle connections.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Time limit for opening a connection ahead of requests.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// Time before the end of a document's use at which its connection is replaced, in seconds. So a request
/// seldom waits for a new document.
const REPLACEMENT_SECS: u64 = 10 * 60;

/// The idle connections to the upstream.
#[derive(Debug)]
pub(super) struct Pool {
    verifier: Verifier,
    /// The connection that was used last is at the end, and is used next.
    idle: Mutex<Vec<VerifiedConnection>>,
    /// Number of connections to keep open ahead of requests.
    ahead: usize,
    /// Maximum number of idle connections.
    max_idle: usize,
    /// The error of the last attempt to open a connection. `None` after a success.
    fault: Mutex<Option<String>>,
    metrics: Arc<Metrics>,
}

impl Pool {
    /// Creates a pool. `limits` are the number of connections to open ahead, and the maximum of idle ones.
    pub(super) fn new(
        verifier: Verifier,
        (ahead, max_idle): (usize, usize),
        metrics: Arc<Metrics>,
    ) -> Self {
        let fault = Mutex::new(Some("no enclave was verified yet".to_owned()));
        // The pool keeps no more, so it would open further ones forever.
        let ahead = ahead.min(max_idle);
        Self { verifier, idle: Mutex::default(), ahead, max_idle, fault, metrics }
    }

    /// Returns the verifier.
    pub(super) const fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Returns the reason why the last connection could not be opened, or `None` if it was verified.
    pub(super) fn fault(&self) -> Option<String> {
        lock(&self.fault).clone()
    }

    /// Takes an idle connection, if there is one that is still open.
    pub(super) fn take(&self) -> Option<VerifiedConnection> {
        loop {
            let mut connection = lock(&self.idle).pop()?;
            match connection.check_idle() {
                Ok(()) => return Some(connection),
                Err(error) => self.count(&error),
            }
        }
    }

    /// Returns a connection after its request. A closed connection is dropped.
    pub(super) fn put(&self, connection: VerifiedConnection) {
        let mut idle = lock(&self.idle);
        if connection.is_open() && idle.len() < self.max_idle {
            idle.push(connection);
        }
    }

    /// Opens and verifies a connection. The caller sets the deadline.
    pub(super) async fn open(&self) -> Result<VerifiedConnection, ConnectionError> {
        let opened = self.verifier.open().await;
        match &opened {
            Ok(_) => {
                self.metrics.count_opened();
                *lock(&self.fault) = None;
            }
            Err(error) => {
                self.count(error);
                *lock(&self.fault) = Some(error.to_string());
            }
        }
        opened
    }

    /// Counts a rejection.
    pub(super) fn count(&self, error: &ConnectionError) {
        if let Some(rule) = error.rejecting_rule() {
            self.metrics.count_rejection(rule);
        }
    }

    /// Checks the idle connections, replaces those with old documents, and opens connections ahead. Never
    /// returns.
    pub(super) async fn maintain(&self) {
        let mut ticks = interval(CHECK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let failures = LogThrottle::default();
        loop {
            ticks.tick().await;
            self.check_idle().await;
            while self.idle_count() < self.ahead {
                match timeout(OPEN_TIMEOUT, self.open()).await {
                    Ok(Ok(connection)) => self.put(connection),
                    Ok(Err(error)) => {
                        if failures.should_log() {
                            log_failure(self.verifier.upstream(), &error);
                        }
                        break;
                    }
                    Err(_) => {
                        *lock(&self.fault) =
                            Some("the upstream did not respond in time".to_owned());
                        break;
                    }
                }
            }
        }
    }

    async fn check_idle(&self) {
        let now = self.verifier.clock().read().await;
        let replacement = now.map(|now| (now.time, now.time.plus_secs(REPLACEMENT_SECS)));
        let mut oldest = 0;
        let mut idle = lock(&self.idle);
        idle.retain_mut(|connection| {
            let checked = connection.check_idle();
            if let Err(error) = &checked {
                self.count(error);
            }
            let Ok((now, later)) = replacement else { return checked.is_ok() };
            let is_kept = checked.is_ok() && connection.is_current(later);
            if is_kept {
                let document_time = connection.identity().document_time();
                oldest = oldest.max(now.millis_since(document_time) / 1000);
            }
            is_kept
        });
        self.metrics.set_idle(idle.len(), oldest.min(MAX_DOCUMENT_USE_SECS));
    }

    fn idle_count(&self) -> usize {
        lock(&self.idle).len()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change of the data is a single step, so a poisoned lock can be used.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn log_failure(upstream: &impl std::fmt::Display, error: &ConnectionError) {
    match error.kind() {
        ErrorKind::Rejection => tracing::error!(%upstream, %error, "upstream rejected"),
        _ => tracing::warn!(%upstream, %error, "cannot open a connection to the upstream"),
    }
}
