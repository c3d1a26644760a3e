//! Requests for the enclave's own document.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::metrics::{Label, MetricsRegistry, labelled};

/// By how they ended, and those that wait.
#[derive(Clone, Debug)]
pub(crate) struct AttestationEndpointMetrics {
    /// They got a document.
    pub(crate) success: Counter,
    /// Others came first for too long.
    pub(crate) throttled: Counter,
    /// The module gave none.
    pub(crate) failed: Counter,
    waiting: Gauge,
}

impl AttestationEndpointMetrics {
    /// Registers all of them.
    pub(crate) fn register(registry: &mut MetricsRegistry) -> Self {
        let help = "Requests for the attestation endpoint, by outcome";
        let requests: Family<Label, Counter> = registry.family("attestation_requests", help);
        let help = "Requests for the attestation endpoint that wait for the NSM";
        let of = |outcome| labelled(&requests, [("outcome", outcome)]);
        Self {
            success: of("success"),
            throttled: of("throttled"),
            failed: of("failed"),
            waiting: registry.gauge("attestation_requests_waiting", help),
        }
    }

    /// Counts a request as waiting until the guard is dropped.
    pub(crate) fn count_waiting(&self) -> WaitingRequest<'_> {
        self.waiting.inc();
        WaitingRequest(&self.waiting)
    }
}

/// A request that is counted as waiting.
#[derive(Debug)]
pub(crate) struct WaitingRequest<'a>(&'a Gauge);

impl Drop for WaitingRequest<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}
