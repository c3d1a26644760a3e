//! The log line, the metrics and the audit record of each request to KMS: all under the same identifier
//! and with the same outcome, also where its client has gone, or its handler panicked.

mod line_limits;
mod metrics;

use std::mem;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use attestation::time::UnixMillis;
use kms_api::{ErrorType, GenerateRandom, KmsError, Operation};
use tracing::field;

use self::line_limits::LineLimits;
pub(crate) use self::metrics::{RequestMetrics, UNKNOWN_OPERATION};
use crate::audit::{Audit, AuditMetrics, Recipient, RecordBuilder};
use crate::auth::Caller;
use crate::request::{Outcome, RequestContext};

/// The sinks of all requests' logs.
#[derive(Debug)]
pub(crate) struct RequestLogger {
    audit: Audit,
    audit_metrics: AuditMetrics,
    metrics: RequestMetrics,
    line_limits: LineLimits,
    /// The error that the caller receives if the handler panics.
    panicked: KmsError,
    /// The AWS region in audit records.
    region: Option<Arc<str>>,
}

/// The log of one request. Metrics, audit record and log line are written once, when this is dropped.
#[derive(Debug)]
pub(crate) struct RequestLog<'a> {
    logger: &'a RequestLogger,
    arrived: Instant,
    record: RecordBuilder,
    /// Whether the limits left out the line that says why the request is rejected.
    is_reason_omitted: bool,
}

/// Why a request is rejected, for the log. The audit record has the message that the caller receives.
#[derive(Debug)]
pub(crate) struct Reason {
    /// May repeat what the caller sent.
    pub(crate) text: String,
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
        panicked: KmsError,
        region: Option<Arc<str>>,
    ) -> Self {
        let line_limits = LineLimits::new();
        Self { audit, audit_metrics, metrics, line_limits, panicked, region }
    }

    /// Begins the log of a request that has arrived at `now`.
    pub(crate) fn begin(&self, request: RequestContext<'_>, now: UnixMillis) -> RequestLog<'_> {
        let record = RecordBuilder::new(request, now, self.region.clone());
        RequestLog { logger: self, arrived: Instant::now(), record, is_reason_omitted: false }
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
    pub(crate) fn set_success(&mut self) {
        self.record.set_success();
    }

    /// Sets the outcome: the caller receives `error`.
    pub(crate) fn set_error(&mut self, error: &KmsError) {
        self.record.set_error(error);
    }

    /// Logs why the request is rejected with `error`, as an error if the fault is the service's. `reason` is
    /// called only if the limits on lines about unauthenticated callers admit the line. The reason is logged
    /// escaped: no request can write a line of its own.
    pub(crate) fn write_reason(&mut self, error: ErrorType, reason: impl FnOnce() -> Reason) {
        let omitted = match self.record.is_unauthenticated() {
            true => self.logger.line_limits.allow(error),
            false => Some(0),
        };
        let Some(omitted) = omitted else {
            self.is_reason_omitted = true;
            return;
        };
        let Reason { text: reason, is_internal, access_key_id } = reason();
        let omitted = (omitted > 0).then_some(omitted);
        let request_id = self.record.request_id();
        let client_addr = self.record.client_addr().map(field::display);
        if is_internal {
            tracing::error!(%request_id, client_addr, omitted, ?reason, "failed");
        } else {
            let access_key_id = access_key_id.as_ref().map(field::debug);
            tracing::info!(%request_id, client_addr, access_key_id, omitted, ?reason, "refused");
        }
    }

    /// Writes metrics, audit record and log line. The line comes last: a log that panics must cost neither
    /// of the others.
    fn write(&mut self) {
        let (outcome, operation) = (self.record.outcome(), self.record.operation());
        let (request_id, duration) = (self.record.request_id(), self.arrived.elapsed());
        self.logger.metrics.count(operation, outcome, duration);
        let placeholder = self.record.without_content();
        self.logger.audit.submit(mem::replace(&mut self.record, placeholder));
        let operation = operation.map_or(UNKNOWN_OPERATION, Operation::name);
        // In seconds, as in the metrics.
        let duration = duration.as_secs_f64();
        let is_fault = matches!(outcome, Outcome::Error(error) if error.status() >= 500);
        let outcome = outcome.name();
        if is_fault && !self.is_reason_omitted {
            tracing::warn!(%request_id, operation, outcome, duration, "answered");
        } else {
            tracing::debug!(%request_id, operation, outcome, duration, "answered");
        }
    }
}

impl Drop for RequestLog<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.record.set_error(&self.logger.panicked);
        }
        self.write();
    }
}
