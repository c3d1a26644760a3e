//! The log line, the metrics and the audit record of each request to KMS: all under the same identifier
//! and with the same outcome, also where its client has gone, or its handler panicked.

mod line_limits;
mod metrics;

use std::mem;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use attestation::time::UnixMillis;
use kms_api::{ErrorType, GenerateRandom, KmsError, Operation};
use tracing::field;

use self::line_limits::LineLimits;
pub(crate) use self::metrics::{RequestMetrics, UNKNOWN_OPERATION};
use crate::audit::{Audit, AuditMetrics, Recipient, Record};
use crate::auth::Caller;
use crate::request::{Outcome, Received};

/// The sinks of all requests' logs.
#[derive(Debug)]
pub(crate) struct RequestLogger {
    audit: Audit,
    audit_metrics: AuditMetrics,
    metrics: RequestMetrics,
    line_limits: LineLimits,
    /// The AWS region in audit records.
    region: Option<Arc<str>>,
}

/// The log of one request. It is written once, when this is dropped.
#[derive(Debug)]
pub(crate) struct RequestLog<'a> {
    logger: &'a RequestLogger,
    arrived: Instant,
    record: Record,
    rejection: Option<Rejection>,
}

/// Why a request is rejected, for the log line. Callers are told what the audit record has.
#[derive(Debug)]
pub(crate) struct Rejection {
    /// May repeat what the caller sent.
    pub(crate) reason: String,
    /// Whether the fault is the service's.
    pub(crate) is_internal: bool,
    /// The access key id that an unauthenticated request claims.
    pub(crate) access_key_id: Option<String>,
}

impl RequestLogger {
    /// Returns a logger that writes records to `audit`.
    pub(crate) fn new(
        audit: Audit,
        audit_metrics: AuditMetrics,
        metrics: RequestMetrics,
        region: Option<Arc<str>>,
    ) -> Self {
        Self { audit, audit_metrics, metrics, line_limits: LineLimits::new(), region }
    }

    /// Begins the log of a request that has arrived at `now`.
    pub(crate) fn begin(&self, request: Received<'_>, now: UnixMillis) -> RequestLog<'_> {
        let record = Record::new(request, now, self.region.clone());
        RequestLog { logger: self, arrived: Instant::now(), record, rejection: None }
    }

    /// Brings the metrics up to date that are only read when they are shown.
    pub(crate) fn refresh_metrics(&self) {
        self.audit_metrics.refresh(&self.audit);
    }
}

impl RequestLog<'_> {
    /// Returns the time at which the request arrived.
    pub(crate) fn time(&self) -> UnixMillis {
        self.record.time()
    }

    /// Sets the caller that was authenticated.
    pub(crate) fn set_caller(&mut self, caller: &Caller) {
        self.record.set_caller(caller);
    }

    /// Sets the operation that the request names; `None` if this service has no such operation.
    pub(crate) fn set_operation(&mut self, operation: Option<Operation>) {
        self.record.set_operation(operation);
    }

    /// Sets the parameters, which are within the API's limits.
    pub(crate) fn set_parameters(&mut self, request: &GenerateRandom) {
        self.record.set_parameters(request);
    }

    /// Sets the recipient, whose document was verified.
    pub(crate) fn set_recipient(&mut self, recipient: Recipient) {
        self.record.set_recipient(recipient);
    }

    /// Sets the outcome: the request got the answer that it asked for.
    pub(crate) fn grant(&mut self) {
        self.record.grant();
    }

    /// Sets the outcome: the caller receives `error`. Without a `rejection` no line says why.
    pub(crate) fn reject(&mut self, error: &KmsError, rejection: Option<Rejection>) {
        self.record.refuse(error);
        self.rejection = rejection;
    }

    fn write(&mut self) {
        let (outcome, operation) = (self.record.outcome(), self.record.operation());
        let took = self.arrived.elapsed();
        let has_reason = self.write_reason(outcome);
        self.logger.metrics.count(operation, outcome, took);
        self.write_outcome(outcome, operation, took, has_reason);
        let blank = self.record.blank();
        self.logger.audit.submit(mem::replace(&mut self.record, blank));
    }

    /// Logs why the request is rejected, as an error if the fault is the service's. Returns `false` if the
    /// limits left that line out. The reason is logged escaped: no request can write a line of its own.
    fn write_reason(&self, outcome: Outcome) -> bool {
        let (Some(rejection), Outcome::Refused(error)) = (&self.rejection, outcome) else {
            return true;
        };
        let Some(omitted) = self.omitted_lines(error) else { return false };
        let omitted = (omitted > 0).then_some(omitted);
        let (request_id, reason) = (self.record.request_id(), &rejection.reason);
        let client_addr = self.record.client_addr().map(field::display);
        if rejection.is_internal {
            tracing::error!(%request_id, client_addr, omitted, ?reason, "failed");
        } else {
            let access_key_id = rejection.access_key_id.as_ref().map(field::debug);
            tracing::info!(%request_id, client_addr, access_key_id, omitted, ?reason, "refused");
        }
        true
    }

    /// Returns how many lines about `error` were left out since the last one; `None` if this one is left
    /// out too. Only lines about unauthenticated callers are limited.
    fn omitted_lines(&self, error: ErrorType) -> Option<u64> {
        match self.record.is_unauthenticated() {
            true => self.logger.line_limits.admit(error),
            false => Some(0),
        }
    }

    fn write_outcome(
        &self,
        outcome: Outcome,
        operation: Option<Operation>,
        took: Duration,
        has_reason: bool,
    ) {
        let request_id = self.record.request_id();
        let operation = operation.map_or(UNKNOWN_OPERATION, Operation::name);
        // In seconds, as in the metrics.
        let duration = took.as_secs_f64();
        let is_fault = matches!(outcome, Outcome::Refused(error) if error.status() >= 500);
        let outcome = outcome.name();
        if is_fault && has_reason {
            tracing::warn!(%request_id, operation, outcome, duration, "answered");
        } else {
            tracing::debug!(%request_id, operation, outcome, duration, "answered");
        }
    }
}

impl Drop for RequestLog<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            // The answer of `Application::handler_panicked`.
            self.record.refuse(&KmsError::internal());
        }
        self.write();
    }
}
