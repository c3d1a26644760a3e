//! The metrics of the KMS operations.

use std::sync::atomic::Ordering;

use attestation::{CacheHit, Trust, Verifier};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use crate::metrics::{Label, MetricsRegistry, labelled};

/// The metrics of the KMS operations.
#[derive(Debug)]
pub(crate) struct ApiMetrics {
    /// Requests that the full crypto pool rejected.
    pub(super) rejected_queue_full: Counter,
    /// Requests that were rejected because the NSM had not confirmed the time.
    pub(super) clock_failures: Counter,
    verified: Family<Label, Counter>,
}

impl ApiMetrics {
    /// Registers the metrics.
    pub(crate) fn register(registry: &mut MetricsRegistry) -> Self {
        let help = "Requests with a Recipient rejected before verification, by reason";
        let rejected: Family<Label, Counter> = registry.family("verification_rejected", help);
        let help = "Attestation documents verified, by the part that a cache held";
        let verified = registry.family("documents_verified", help);
        let help = "Requests rejected because the NSM had not confirmed the time";
        let clock_failures = registry.counter("clock_failures", help);
        Self {
            rejected_queue_full: labelled(&rejected, [("reason", "queue_full")]),
            clock_failures,
            verified,
        }
    }

    /// Sets the numbers of verified documents to those of `verifier`.
    pub(super) fn set_verified<T: Trust>(&self, verifier: &Verifier<T>) {
        for cache_hit in CacheHit::ALL {
            let counter = labelled(&self.verified, [("cache", cache_hit.name())]);
            counter.inner().store(verifier.verified_count(cache_hit), Ordering::Relaxed);
        }
    }
}
