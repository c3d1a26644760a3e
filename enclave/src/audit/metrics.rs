//! The metrics of the audit trail.

use std::sync::atomic::Ordering;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use super::AuditTrail;
use super::unauthenticated_limits::OmittedCounts;
use crate::metrics::{Label, MetricsRegistry, labelled};

/// The metrics of records that were not written.
#[derive(Debug)]
pub(crate) struct AuditMetrics {
    dropped: Counter,
    omitted_over_rate: Counter,
    omitted_over_queue: Counter,
}

impl AuditMetrics {
    /// Registers the metrics.
    pub(crate) fn register(registry: &mut MetricsRegistry) -> Self {
        let help = "Audit records dropped because their queue was full or their output failed";
        let dropped = registry.counter("audit_records_dropped", help);
        let help = "Audit records of unauthenticated callers that a limit omitted, by limit";
        let omitted: Family<Label, Counter> = registry.family("audit_records_omitted", help);
        Self {
            dropped,
            omitted_over_rate: labelled(&omitted, [("reason", "rate")]),
            omitted_over_queue: labelled(&omitted, [("reason", "queue")]),
        }
    }

    /// Sets the counts to those of `audit`.
    pub(crate) fn refresh(&self, audit: &AuditTrail) {
        let OmittedCounts { rate, queue } = audit.omitted();
        self.dropped.inner().store(audit.dropped(), Ordering::Relaxed);
        self.omitted_over_rate.inner().store(rate, Ordering::Relaxed);
        self.omitted_over_queue.inner().store(queue, Ordering::Relaxed);
    }
}
