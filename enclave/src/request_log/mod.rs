//! The log line, the metrics and the audit record of each KMS request. All three contain the same outcome, even
//! if the client disconnects or the handler panics. The log line and the audit record contain the same
//! identifier.

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
use crate::audit::{AuditMetrics, AuditTrail, Recipient, RecordBuilder};
use crate::auth::Caller;
use crate::request::{Outcome, RequestContext};

/// The destinations of all request logs.
#[derive(Debug)]
pub(crate) struct RequestLogger {
    audit: AuditTrail,
    audit_metrics: AuditMetrics,
    metrics: RequestMetrics,
    line_limits: LineLimits,
    /// The error that the caller receives if the handler panics.
    panicked: KmsError,
    /// The AWS region in audit records.
    region: Option<Arc<str>>,
}

/// The log of one request. It updates the metrics, and writes the audit record and the log line, once: when the
/// request is finished, or on drop.
#[derive(Debug)]
pub(crate) struct RequestLog<'a> {
    logger: &'a RequestLogger,
    arrived: Instant,
    record: RecordBuilder,
    is_written: bool,
    /// True if the limits omitted the line with the reason of the error.
    is_reason_omitted: bool,
}

/// The reason of an error, for the log. The audit record does not contain the reason, but the message that the caller
/// receives.
#[derive(Debug)]
pub(crate) struct Reason {
    /// The reason, which may repeat bytes that the caller sent.
    pub(crate) text: String,
    /// True if the cause is a fault of the service.
    pub(crate) is_internal: bool,
    /// The access key ID that an unauthenticated request claims.
    pub(crate) access_key_id: Option<String>,
}

impl RequestLogger {
    /// Creates a logger that writes audit records to `audit`.
    pub(crate) fn new(
        audit: AuditTrail,
        audit_metrics: AuditMetrics,
        metrics: RequestMetrics,
        panicked: KmsError,
        region: Option<Arc<str>>,
    ) -> Self {
        let line_limits = LineLimits::new();
        Self { audit, audit_metrics, metrics, line_limits, panicked, region }
    }

    /// Begins the log of a request that arrived at `now`.
    pub(crate) fn begin(&self, request: RequestContext<'_>, now: UnixMillis) -> RequestLog<'_> {
        let record = RecordBuilder::new(request, now, self.region.clone());
        RequestLog {
            logger: self,
            arrived: Instant::now(),
            record,
            is_written: false,
            is_reason_omitted: false,
        }
    }

    /// Updates the metrics that are computed only when they are read.
    pub(crate) fn refresh_metrics(&self) {
        self.audit_metrics.refresh(&self.audit);
    }
}

impl RequestLog<'_> {
    /// Returns the time at which the request arrived.
    pub(crate) fn time(&self) -> UnixMillis {
        self.record.time()
    }

    /// Sets the authenticated caller.
    pub(crate) fn set_caller(&mut self, caller: &Caller) {
        self.record.set_caller(caller);
    }

    /// Sets the operation that the request names; `None` if this service has no such operation.
    pub(crate) fn set_operation(&mut self, operation: Option<Operation>) {
        self.record.set_operation(operation);
    }

    /// Sets the parameters, which are within the limits of the API.
    pub(crate) fn set_parameters(&mut self, request: &GenerateRandom) {
        self.record.set_parameters(request);
    }

    /// Sets the recipient, whose attestation document was verified.
    pub(crate) fn set_recipient(&mut self, recipient: Recipient) {
        self.record.set_recipient(recipient);
    }

    /// Finishes the log with the outcome success. Returns the number of the audit record.
    pub(crate) fn finish_success(mut self) -> u64 {
        self.record.set_success();
        self.write(AuditTrail::submit_success)
    }

    /// Sets the outcome to `error`, which the caller receives.
    pub(crate) fn set_error(&mut self, error: &KmsError) {
        self.record.set_error(error);
    }

    /// Logs the reason for `error`. If the cause is a fault of the service, the level is error, otherwise info. Calls
    /// `reason` only if the limits on lines about unauthenticated callers allow the line.
    ///
    /// Both log formats quote and escape strings, so no request can inject a log line.
    pub(crate) fn write_reason(&mut self, error: ErrorType, reason: impl FnOnce() -> Reason) {
        let omitted = match self.record.is_unauthenticated() {
            true => self.logger.line_limits.allow(error),
            false => Some(0),
        };
        let Some(omitted) = omitted else {
            self.is_reason_omitted = true;
            return;
        };
        let Reason { text, is_internal, access_key_id } = reason();
        let reason = text.as_str();
        let omitted = (omitted > 0).then_some(omitted);
        let request_id = self.record.request_id();
        let client_addr = self.record.client_addr().map(field::display);
        if is_internal {
            tracing::error!(%request_id, client_addr, omitted, reason, "request failed");
        } else {
            let access_key_id = access_key_id.as_deref();
            tracing::info!(%request_id, client_addr, access_key_id, omitted, reason, "request rejected");
        }
    }

    /// Updates the metrics, and writes the audit record and then the log line. The line is last, so that a panic of
    /// the logger does not lose the metrics or the record. Returns the result of `submit`.
    fn write<R>(&mut self, submit: impl FnOnce(&AuditTrail, RecordBuilder) -> R) -> R {
        self.is_written = true;
        let (outcome, operation) = (self.record.outcome(), self.record.operation());
        let (request_id, duration) = (self.record.request_id(), self.arrived.elapsed());
        self.logger.metrics.count(operation, outcome, duration);
        let placeholder = self.record.without_content();
        let submitted = submit(&self.logger.audit, mem::replace(&mut self.record, placeholder));
        let operation = operation.map_or(UNKNOWN_OPERATION, Operation::name);
        // The unit is seconds, as in the metrics.
        let duration_seconds = duration.as_secs_f64();
        let is_fault = matches!(outcome, Outcome::Error(error) if error.status() >= 500);
        let outcome = outcome.name();
        if is_fault && !self.is_reason_omitted {
            tracing::warn!(%request_id, operation, outcome, duration_seconds, "request completed");
        } else {
            tracing::debug!(%request_id, operation, outcome, duration_seconds, "request completed");
        }
        submitted
    }
}

impl Drop for RequestLog<'_> {
    fn drop(&mut self) {
        if self.is_written {
            return;
        }
        if thread::panicking() {
            self.record.set_error(&self.logger.panicked);
        }
        self.write(AuditTrail::submit);
    }
}

#[cfg(test)]
mod tests {
    use hyper::Request;
    use kms_api::ErrorType;

    use super::*;
    use crate::audit::{Audit, DigestSources, UnauthenticatedLimits};
    use crate::metrics::MetricsRegistry;
    use crate::request::{ConnectionKey, RequestId, TransportSecurity};

    #[test]
    fn each_request_is_written_once() {
        let mut registry = MetricsRegistry::new();
        let limits = UnauthenticatedLimits::default();
        let logger = RequestLogger::new(
            Audit::disabled().start(DigestSources::without_document(), limits).unwrap(),
            AuditMetrics::register(&mut registry),
            RequestMetrics::register(&mut registry),
            KmsError::new(ErrorType::Validation, "panic"),
            None,
        );
        let (head, ()) = Request::new(()).into_parts();
        let begin = || {
            let request = RequestContext {
                id: RequestId::random(),
                connection: ConnectionKey::new(0, None),
                transport_security: TransportSecurity::NoTls,
                client_addr: None,
                head: &head,
                body: &[],
            };
            logger.begin(request, UnixMillis::new(0))
        };
        assert_eq!(begin().finish_success(), 1);
        drop(begin());
        assert_eq!(begin().finish_success(), 3);
        let text = registry.encode().unwrap();
        for line in ["outcome=\"success\"} 2", "outcome=\"ClientDisconnected\"} 1"] {
            let line = format!("requests_total{{operation=\"unknown\",{line}");
            assert!(text.contains(&line), "{line}: {text}");
        }
    }
}
