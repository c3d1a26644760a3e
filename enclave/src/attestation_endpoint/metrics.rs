//! The metrics of the attestation endpoint.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::metrics::{Label, MetricsRegistry, labelled};

/// The metrics of the attestation endpoint: the requests by outcome, and the waiting requests.
#[derive(Clone, Debug)]
pub(crate) struct AttestationEndpointMetrics {
    /// Requests that received a document with their nonce.
    pub(crate) success: Counter,
    /// Requests that received the current document.
    pub(crate) from_memory: Counter,
    /// Requests that were evicted from the queue, or waited too long.
    pub(crate) throttled: Counter,
    /// Requests for which the NSM returned no document, or the current document was too old.
    pub(crate) failed: Counter,
    waiting: Gauge,
}

impl AttestationEndpointMetrics {
    /// Registers the metrics.
    pub(crate) fn register(registry: &mut MetricsRegistry) -> Self {
        let help = "Requests for the attestation endpoint, by outcome";
        let requests: Family<Label, Counter> = registry.family("attestation_requests", help);
        let help = "Requests that wait in the queue of the attestation endpoint";
        let counter = |outcome| labelled(&requests, [("outcome", outcome)]);
        Self {
            success: counter("success"),
            from_memory: counter("from_memory"),
            throttled: counter("throttled"),
            failed: counter("failed"),
            waiting: registry.gauge("attestation_requests_waiting", help),
        }
    }

    /// Counts a request as waiting until the guard is dropped.
    pub(crate) fn count_waiting(&self) -> WaitingRequest<'_> {
        self.waiting.inc();
        WaitingRequest(&self.waiting)
    }
}

/// A guard that counts a request as waiting.
#[derive(Debug)]
pub(crate) struct WaitingRequest<'a>(&'a Gauge);

impl Drop for WaitingRequest<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}
