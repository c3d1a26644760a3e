//! The metrics of the audit trail.

use std::sync::atomic::Ordering;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use super::AuditTrail;
use super::unauthenticated_limits::OmittedCounts;
use crate::metrics::{Label, MetricsRegistry, labelled};

/// The metrics of the audit trail.
#[derive(Debug)]
pub(crate) struct AuditMetrics {
    dropped: Counter,
    omitted_over_rate: Counter,
    omitted_over_queue: Counter,
    digests_written: Counter,
    digest_failures: Counter,
}

impl AuditMetrics {
    /// Registers the metrics.
    pub(crate) fn register(registry: &mut MetricsRegistry) -> Self {
        let help = "Audit records dropped because their queue was full or their output failed";
        let dropped = registry.counter("audit_records_dropped", help);
        let help = "Signed audit digests that were written";
        let digests_written = registry.counter("audit_digests_written", help);
        let help = "Failed attempts to sign or write an audit digest";
        let digest_failures = registry.counter("audit_digest_failures", help);
        let help = "Audit records of unauthenticated callers that a limit omitted, by limit";
        let omitted: Family<Label, Counter> = registry.family("audit_records_omitted", help);
        Self {
            dropped,
            digests_written,
            digest_failures,
            omitted_over_rate: labelled(&omitted, [("reason", "rate")]),
            omitted_over_queue: labelled(&omitted, [("reason", "queue")]),
        }
    }

    /// Sets the counts to those of `audit`.
    pub(crate) fn refresh(&self, audit: &AuditTrail) {
        let OmittedCounts { rate, queue } = audit.omitted();
        let (written, failed) = audit.digests();
        self.digests_written.inner().store(written, Ordering::Relaxed);
        self.digest_failures.inner().store(failed, Ordering::Relaxed);
        self.dropped.inner().store(audit.dropped(), Ordering::Relaxed);
        self.omitted_over_rate.inner().store(rate, Ordering::Relaxed);
        self.omitted_over_queue.inner().store(queue, Ordering::Relaxed);
    }
}
