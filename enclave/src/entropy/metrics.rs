//! Metrics of the entropy source.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use super::fault::EntropyFault;
use crate::metrics::{Label, MetricsRegistry, labelled};

/// The metrics of the entropy source.
#[derive(Debug)]
pub(crate) struct EntropyMetrics {
    /// Number of reseeds of DRBG instances.
    pub(super) reseeds: Counter,
    failures: Family<Label, Counter>,
}

impl EntropyMetrics {
    /// Registers the metrics.
    pub(crate) fn register(registry: &mut MetricsRegistry) -> Self {
        let failures =
            registry.family("entropy_failures", "Draws of random bytes that failed, by cause");
        for cause in EntropyFault::causes() {
            labelled(&failures, [("cause", cause)]);
        }
        Self { reseeds: registry.counter("drbg_reseeds", "Reseeds of DRBG instances"), failures }
    }

    /// Counts a failed draw.
    pub(super) fn count_failure(&self, fault: &EntropyFault) {
        labelled(&self.failures, [("cause", fault.cause())]).inc();
    }

    /// Returns metrics that no registry shows.
    #[cfg(test)]
    pub(super) fn unregistered() -> Self {
        Self::register(&mut MetricsRegistry::new())
    }

    /// Returns the number of failed draws with the same cause.
    #[cfg(test)]
    pub(super) fn failures(&self, fault: &EntropyFault) -> u64 {
        labelled(&self.failures, [("cause", fault.cause())]).get()
    }
}
