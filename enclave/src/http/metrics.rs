//! The metrics of client connections.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::metrics::{Label, MetricsRegistry, labelled};

/// The metrics of client connections. Only the number of rejected connections also includes the admin listener.
#[derive(Debug)]
pub struct ConnectionMetrics {
    accepted: Counter,
    open: Gauge,
    pub(super) rejected: RejectedConnections,
    pub(crate) received_bytes: Counter,
    pub(crate) sent_bytes: Counter,
}

/// Rejected connections, by reason.
#[derive(Debug)]
pub(super) struct RejectedConnections {
    /// The peer is not the parent instance.
    pub(crate) peer: Counter,
    /// The PROXY header is invalid, missing or unexpected.
    pub(crate) proxy_header: Counter,
}

impl ConnectionMetrics {
    /// Registers the metrics.
    pub(crate) fn register(registry: &mut MetricsRegistry) -> Self {
        let help = "Connections closed before their first request, by reason";
        let rejected: Family<Label, Counter> = registry.family("connections_rejected", help);
        let help = "Bytes received on client connections, including TLS overhead";
        let received_bytes = registry.counter("received_bytes", help);
        let help = "Bytes sent on client connections, including TLS overhead";
        Self {
            accepted: registry.counter("connections", "Client connections accepted"),
            open: registry.gauge("connections_open", "Client connections that are open"),
            rejected: RejectedConnections {
                peer: labelled(&rejected, [("reason", "peer")]),
                proxy_header: labelled(&rejected, [("reason", "proxy_header")]),
            },
            received_bytes,
            sent_bytes: registry.counter("sent_bytes", help),
        }
    }

    /// Counts a connection as accepted, and as open until the guard is dropped.
    pub(crate) fn open(&self) -> OpenConnection<'_> {
        self.accepted.inc();
        self.open.inc();
        OpenConnection(&self.open)
    }
}

/// A guard that counts a connection as open.
#[derive(Debug)]
pub(crate) struct OpenConnection<'a>(&'a Gauge);

impl Drop for OpenConnection<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}
