//! Active health checks: the relay periodically requests `/readyz` of each enclave, and ejects or restores
//! its upstream.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::StatusCode;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::health_probe::{HealthProbe, ProbeError};
use crate::upstream::{ClosePolicy, Upstream};
use crate::upstream_pool::Pool;

/// Maximum length of a `/readyz` response body, in bytes.
const MAX_READYZ_LENGTH: usize = 4096;

/// The result of one health check.
#[derive(Debug)]
enum CheckResult {
    Ready,
    /// The enclave accepts connections, but its readiness cannot be read.
    ReadinessUnknown,
    /// The enclave reports that it is not ready, with this reason.
    NotReady(String),
    /// The connection attempt failed. A single check with this result ejects the upstream.
    Unreachable(String),
    /// The response was not usable. Only several failed checks in a row eject the upstream.
    Failed(String),
    /// There was no response. Only several failed checks in a row eject the upstream.
    Unresponsive(String),
    /// The relay lacked a resource, such as a descriptor, so the enclave was not checked.
    NotChecked,
}

/// Checks all upstreams of the pool, until the future is dropped.
pub(crate) async fn run(pool: Arc<Pool>, proxy_protocol: bool) {
    let Some(interval) = pool.health_checks.interval else {
        return std::future::pending().await;
    };
    let mut changes = pool.changes();
    let mut tasks: Vec<CheckTask> = Vec::new();
    loop {
        let upstreams = pool.upstreams();
        tasks.retain(|one| upstreams.iter().any(|other| Arc::ptr_eq(&one.upstream, other)));
        for upstream in upstreams.iter() {
            if !tasks.iter().any(|other| Arc::ptr_eq(upstream, &other.upstream)) {
                let task = check_repeatedly(
                    Arc::clone(upstream),
                    Arc::clone(&pool),
                    interval,
                    proxy_protocol,
                );
                let task = tokio::spawn(task).abort_handle();
                tasks.push(CheckTask { upstream: Arc::clone(upstream), task });
            }
        }
        wait_for_change(&mut changes).await;
    }
}

/// Waits until the upstreams of the pool change.
async fn wait_for_change(changes: &mut watch::Receiver<()>) {
    // Never fails: the pool, which holds the sender, lives longer.
    let _ = changes.changed().await;
}

/// The task that checks one upstream. The task is aborted on drop.
struct CheckTask {
    upstream: Arc<Upstream>,
    task: AbortHandle,
}

impl Drop for CheckTask {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The health checks of one upstream.
struct Checker {
    upstream: Arc<Upstream>,
    pool: Arc<Pool>,
    /// Number of failed checks in a row.
    failures: usize,
    /// True if the warning about an unknown readiness was logged.
    has_warned: bool,
}

/// Checks one upstream at every interval, and earlier on request.
async fn check_repeatedly(
    upstream: Arc<Upstream>,
    pool: Arc<Pool>,
    interval: Duration,
    proxy_protocol: bool,
) {
    let mut checker = Checker { upstream, pool, failures: 0, has_warned: false };
    // Number of failed connection attempts of clients before the last successful check.
    let mut failures_before_success = 0;
    loop {
        let (upstream, pool) = (&checker.upstream, &checker.pool);
        let failed = upstream.counts.connect_failures.load(Ordering::Relaxed);
        let has_new_failures = failed != failures_before_success;
        let (enclave, timeout) = (upstream.enclave(), pool.health_checks.timeout);
        let probe = HealthProbe { enclave, proxy_protocol, timeout };
        let result = check(probe, has_new_failures).await;
        count(upstream, &result);
        if matches!(result, CheckResult::Ready | CheckResult::ReadinessUnknown) {
            failures_before_success = failed;
        }
        if checker.apply(result) {
            checker.pool.notify_changed();
        }
        tokio::select! {
            () = sleep(interval) => {}
            // A client failed to connect, so check early, before further clients fail. The delay limits the
            // rate when many clients fail at once.
            () = async {
                checker.upstream.check_request.notified().await;
                sleep(RECHECK_DELAY.min(interval)).await;
            } => {}
        }
    }
}

impl Checker {
    /// Restores or ejects the upstream. Returns whether its state changed.
    fn apply(&mut self, result: CheckResult) -> bool {
        match result {
            CheckResult::Ready => self.mark_ready(),
            CheckResult::ReadinessUnknown => {
                self.warn_of_unknown_readiness();
                self.mark_ready()
            }
            CheckResult::NotReady(reason) => eject(&self.upstream, &reason, ClosePolicy::WhenIdle),
            CheckResult::Unreachable(reason) => {
                eject(&self.upstream, &reason, ClosePolicy::WhenIdleOrNoResponse)
            }
            CheckResult::Failed(reason) => self.fail(&reason, ClosePolicy::WhenIdle),
            CheckResult::Unresponsive(reason) => {
                self.fail(&reason, ClosePolicy::WhenIdleOrNoResponse)
            }
            CheckResult::NotChecked => false,
        }
    }

    /// Marks the upstream ready. Returns whether its state changed.
    fn mark_ready(&mut self) -> bool {
        self.failures = 0;
        let has_changed = self.upstream.mark_ready();
        if has_changed {
            tracing::info!(upstream = %self.upstream.endpoint(), "upstream ready");
        }
        has_changed
    }

    /// Counts a failed check, and ejects the upstream after several in a row. Returns whether its state
    /// changed.
    fn fail(&mut self, reason: &str, policy: ClosePolicy) -> bool {
        self.failures += 1;
        self.failures >= self.pool.health_checks.unhealthy_after.get()
            && eject(&self.upstream, reason, policy)
    }

    /// Logs, once per upstream, that its readiness cannot be read.
    fn warn_of_unknown_readiness(&mut self) {
        if !mem::replace(&mut self.has_warned, true) {
            tracing::warn!(
                upstream = %self.upstream.endpoint(),
                "readiness is unknown: the upstream does not serve plain HTTP to clients (does it serve TLS?); \
                 add ,admin=ENDPOINT to the upstream"
            );
        }
    }
}

/// Delay of the check after a client's failed connection attempt.
const RECHECK_DELAY: Duration = Duration::from_millis(100);

/// Ejects the upstream. Returns whether its state changed.
fn eject(upstream: &Upstream, reason: &str, policy: ClosePolicy) -> bool {
    let has_changed = upstream.eject(policy);
    if has_changed {
        tracing::warn!(upstream = %upstream.endpoint(), reason, "upstream ejected");
    }
    has_changed
}

/// Counts the result in the metrics of the upstream.
fn count(upstream: &Upstream, result: &CheckResult) {
    let counts = &upstream.counts;
    let counter = match result {
        CheckResult::Ready | CheckResult::ReadinessUnknown => &counts.ready,
        CheckResult::NotReady(_) => &counts.not_ready,
        CheckResult::Unreachable(_) | CheckResult::Failed(_) | CheckResult::Unresponsive(_) => {
            &counts.failed
        }
        CheckResult::NotChecked => return,
    };
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Checks the enclave once.
///
/// If clients have failed to connect since the last successful check, the listener for clients must accept a
/// connection, in addition to the ready admin endpoint. Without such failures, that listener is not checked,
/// because an enclave that serves TLS counts the check as a failed handshake.
async fn check(probe: HealthProbe<'_>, has_new_failures: bool) -> CheckResult {
    let has_admin_endpoint = probe.enclave.admin.is_some();
    match probe.get("/readyz", MAX_READYZ_LENGTH).await {
        Ok((StatusCode::OK, _)) if has_new_failures && has_admin_endpoint => {
            match probe.connect().await {
                Ok(()) => CheckResult::Ready,
                Err(error) => failed_check(error),
            }
        }
        Ok((StatusCode::OK, _)) => CheckResult::Ready,
        Ok((StatusCode::SERVICE_UNAVAILABLE, body)) => CheckResult::NotReady(first_line(&body)),
        Ok((status, _)) => CheckResult::Failed(format!("/readyz returned {status}")),
        Err(ProbeError::NotHttp(_)) if !has_admin_endpoint => CheckResult::ReadinessUnknown,
        Err(error) => failed_check(error),
    }
}

/// Returns the first line of a `/readyz` body, which is the reason. The enclave writes its mode of TLS on the second
/// line.
fn first_line(body: &[u8]) -> String {
    String::from_utf8_lossy(body).lines().next().unwrap_or_default().trim_end().to_owned()
}

/// Maps a probe error to a result.
fn failed_check(error: ProbeError) -> CheckResult {
    match error {
        ProbeError::LocalResource(_) => CheckResult::NotChecked,
        ProbeError::Unreachable(_) => CheckResult::Unreachable(error.to_string()),
        ProbeError::NotHttp(_) => CheckResult::Failed(error.to_string()),
        ProbeError::BacklogFull(_) | ProbeError::Protocol(_) | ProbeError::Timeout(_) => {
            CheckResult::Unresponsive(error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_is_the_first_line_of_the_body() {
        for (body, reason) in [
            (&b"not ready: a fault\ntls: off: the relay can read\n"[..], "not ready: a fault"),
            (b"not ready: a fault\r\nmore", "not ready: a fault"),
            (b"not ready: \xff", "not ready: \u{fffd}"),
            (b"", ""),
        ] {
            assert_eq!(first_line(body), reason);
        }
    }
}
