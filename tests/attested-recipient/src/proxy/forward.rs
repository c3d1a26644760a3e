//! Forwards one request, in up to three attempts.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::metrics::{Metrics, Outcome};
use super::pool::Pool;
use crate::verified_connection::{ConnectionError, ErrorKind, Proof, Request, Response};

/// Maximum number of attempts of a request.
const MAX_ATTEMPTS: u32 = 3;

/// Pause before the third attempt, which gives a relay time to notice that an enclave ended.
const PAUSE: Duration = Duration::from_millis(100);

/// Forwards requests to the upstream.
#[derive(Debug)]
pub(super) struct Forwarder {
    pool: Pool,
    /// Time limit of a request, with all attempts.
    timeout: Duration,
    metrics: Arc<Metrics>,
}

/// The reason why a request has no response that can be trusted.
#[derive(Debug, Error)]
pub(super) enum ForwardError {
    /// The last attempt failed.
    #[error("no authentic response after {attempts} attempts: {error}")]
    Failed {
        /// The number of attempts.
        attempts: u32,
        /// The error of the last attempt.
        error: ConnectionError,
    },
    /// The request cannot be sent.
    #[error(transparent)]
    Request(ConnectionError),
    /// The time limit passed.
    #[error("the upstream did not respond in time")]
    TimedOut,
}

impl Forwarder {
    pub(super) const fn new(pool: Pool, timeout: Duration, metrics: Arc<Metrics>) -> Self {
        Self { pool, timeout, metrics }
    }

    /// Returns the pool.
    pub(super) const fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Returns the metrics.
    pub(super) const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Returns the response to a request, and counts the outcome.
    ///
    /// A status from 400 on is a response: without TLS, nothing shows whether an error is genuine, and SDKs
    /// repeat a 5xx themselves.
    pub(super) async fn forward(&self, request: &Request) -> Result<Response, ForwardError> {
        let deadline = Instant::now() + self.timeout;
        let forwarded = match self.pool.verifier().check_request(request) {
            Err(error) => Err(ForwardError::Request(error)),
            Ok(()) => timeout_at(deadline, self.attempts(request))
                .await
                .unwrap_or(Err(ForwardError::TimedOut)),
        };
        self.metrics.count_request(match &forwarded {
            Ok(response) if response.proof() == Proof::None || response.status() >= 400 => {
                Outcome::Error
            }
            Ok(_) => Outcome::Verified,
            Err(ForwardError::Request(_)) => Outcome::Invalid,
            Err(ForwardError::TimedOut) => Outcome::TimedOut,
            Err(ForwardError::Failed { error, .. }) => match error.kind() {
                ErrorKind::Rejection => Outcome::Rejected,
                _ => Outcome::Failed,
            },
        });
        forwarded
    }

    /// Repeats the request on other connections. Each attempt has a new nonce.
    async fn attempts(&self, request: &Request) -> Result<Response, ForwardError> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            // The last attempt has the rest of the time.
            let limit = if attempts == MAX_ATTEMPTS { self.timeout } else { self.timeout / 3 };
            let attempt = timeout(limit, self.attempt(request, attempts == 1)).await;
            let (error, was_sent) = match attempt {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(failed)) => failed,
                Err(_) => (ConnectionError::Io(std::io::ErrorKind::TimedOut.into()), true),
            };
            tracing::debug!(attempts, %error, "attempt failed");
            let is_final = match error.kind() {
                ErrorKind::Request => return Err(ForwardError::Request(error)),
                ErrorKind::Local => true,
                // The receipt of a repetition could not show which of both attempts it answers.
                ErrorKind::Transport | ErrorKind::Rejection => request.has_own_nonce() && was_sent,
            };
            if is_final || attempts == MAX_ATTEMPTS {
                return Err(ForwardError::Failed { attempts, error });
            }
            if attempts + 1 == MAX_ATTEMPTS {
                sleep(PAUSE).await;
            }
        }
    }

    /// Sends the request once. A repetition uses a new connection, because all idle connections may lead to
    /// the same failed enclave. Returns an error with whether the request may have been sent.
    async fn attempt(
        &self,
        request: &Request,
        may_use_idle: bool,
    ) -> Result<Response, (ConnectionError, bool)> {
        self.metrics.count_attempt();
        let idle = if may_use_idle { self.pool.take() } else { None };
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.pool.open().await.map_err(|error| (error, false))?,
        };
        let sent = connection.send(request).await;
        match sent {
            Ok(response) => {
                self.pool.put(connection);
                Ok(response)
            }
            Err(error) => {
                self.pool.count(&error);
                if let Some(rule) = error.rejecting_rule() {
                    let upstream = self.pool.verifier().upstream();
                    tracing::warn!(%upstream, rule, %error, "response rejected");
                }
                Err((error, true))
            }
        }
    }
}
