//! The registration of all metrics, and the metrics that belong to no subsystem.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use crate::attestation_endpoint::AttestationEndpointMetrics;
use crate::audit::AuditMetrics;
use crate::entropy::EntropyMetrics;
use crate::http::ConnectionMetrics;
use crate::key_store::KeyStoreMetrics;
use crate::kms::ApiMetrics;
use crate::logging_setup;
use crate::metrics::MetricsRegistry;
use crate::nsm::NsmMetrics;
use crate::receipts::ReceiptMetrics;
use crate::request_log::RequestMetrics;
use crate::tls::TlsMetrics;

/// The metrics of each subsystem, before the subsystem is started.
pub(super) struct SubsystemMetrics {
    pub(super) requests: RequestMetrics,
    pub(super) api: ApiMetrics,
    pub(super) audit: AuditMetrics,
    pub(super) attestation_requests: AttestationEndpointMetrics,
    pub(super) connections: ConnectionMetrics,
    pub(super) nsm: Arc<NsmMetrics>,
    pub(super) entropy: EntropyMetrics,
    pub(super) tls_handshakes: TlsMetrics,
    pub(super) key_stores: Arc<KeyStoreMetrics>,
    pub(super) receipts: ReceiptMetrics,
}

/// The registry of all metrics, and the metrics that belong to no subsystem.
#[derive(Debug)]
pub(super) struct ServiceMetrics {
    registry: MetricsRegistry,
    ready: Gauge,
    log_lines_dropped: Counter,
}

/// Registers the metrics of a service.
pub(super) fn register() -> (ServiceMetrics, SubsystemMetrics) {
    let mut registry = MetricsRegistry::new();
    let subsystems = SubsystemMetrics {
        requests: RequestMetrics::register(&mut registry),
        api: ApiMetrics::register(&mut registry),
        audit: AuditMetrics::register(&mut registry),
        attestation_requests: AttestationEndpointMetrics::register(&mut registry),
        connections: ConnectionMetrics::register(&mut registry),
        nsm: Arc::new(NsmMetrics::register(&mut registry)),
        entropy: EntropyMetrics::register(&mut registry),
        tls_handshakes: TlsMetrics::register(&mut registry),
        key_stores: Arc::new(KeyStoreMetrics::register(&mut registry)),
        receipts: ReceiptMetrics::register(&mut registry),
    };
    let help = "Log lines dropped because their queue was full or their output failed";
    let log_lines_dropped = registry.counter("log_lines_dropped", help);
    let ready = registry.gauge("ready", "1 if /readyz reports ready, otherwise 0");
    (ServiceMetrics { registry, ready, log_lines_dropped }, subsystems)
}

impl ServiceMetrics {
    /// Returns all metrics in the OpenMetrics text format.
    ///
    /// # Errors
    /// If formatting fails. This does not happen, because writing to a string does not fail.
    pub(super) fn encode(&self, is_ready: bool) -> Result<String, fmt::Error> {
        self.ready.set(is_ready.into());
        self.log_lines_dropped.inner().store(logging_setup::log_lines_dropped(), Ordering::Relaxed);
        self.registry.encode()
    }
}
