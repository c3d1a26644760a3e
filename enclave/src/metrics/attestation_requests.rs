//! Requests for the enclave's own document.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::{counters, of};

/// By how they ended, and those that wait.
#[derive(Clone, Debug)]
pub(crate) struct AttestationRequests {
    /// They got a document.
    pub(crate) answered: Counter,
    /// Others came first for too long.
    pub(crate) throttled: Counter,
    /// The module gave none.
    pub(crate) failed: Counter,
    waiting: Gauge,
}

impl AttestationRequests {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let help = "Requests for the enclave's own document, by how they ended";
        let requests = counters(registry, "attestation_requests", help);
        let waiting = Gauge::default();
        let help = "Requests for the enclave's own document that wait for their turn";
        registry.register("attestation_requests_waiting", help, waiting.clone());
        Self {
            answered: of(&requests, "outcome", "answered"),
            throttled: of(&requests, "outcome", "throttled"),
            failed: of(&requests, "outcome", "failed"),
            waiting,
        }
    }

    /// Counts a request as waiting until the guard is dropped.
    pub(crate) fn wait(&self) -> WaitingRequest<'_> {
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
