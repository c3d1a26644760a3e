//! Clients' connections, and the bytes on them.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::{Label, counters, of};

/// Those of clients; who watches is not counted, but where it is refused.
pub(crate) struct Connections {
    accepted: Counter,
    open: Gauge,
    pub(crate) refused: RefusedConnections,
    pub(crate) received_bytes: Counter,
    pub(crate) sent_bytes: Counter,
}

/// By why.
pub(crate) struct RefusedConnections {
    /// Whoever connected is not the parent.
    pub(crate) peer: Counter,
    /// It did not begin with the header that it must begin with, or with one that it must not.
    pub(crate) proxy_header: Counter,
}

impl Connections {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let (accepted, open) = (Counter::default(), Gauge::default());
        let (received_bytes, sent_bytes) = (Counter::default(), Counter::default());
        let help = "Clients' connections that were taken on";
        registry.register("connections", help, accepted.clone());
        registry.register("connections_open", "Clients' connections that are open", open.clone());
        let help = "Bytes received on clients' connections, with those of TLS";
        registry.register("received_bytes", help, received_bytes.clone());
        let help = "Bytes sent on clients' connections, with those of TLS";
        registry.register("sent_bytes", help, sent_bytes.clone());
        let help = "Connections that were closed before anything was asked on them";
        let refused: Family<Label, Counter> = counters(registry, "connections_refused", help);
        let refused = RefusedConnections {
            peer: of(&refused, "reason", "peer"),
            proxy_header: of(&refused, "reason", "proxy_header"),
        };
        Self { accepted, open, refused, received_bytes, sent_bytes }
    }

    /// A client's connection is taken on; it is open until this is dropped.
    pub(crate) fn open(&self) -> OpenConnection<'_> {
        self.accepted.inc();
        self.open.inc();
        OpenConnection(&self.open)
    }
}

/// A connection that is counted as open.
#[derive(Debug)]
pub(crate) struct OpenConnection<'a>(&'a Gauge);

impl Drop for OpenConnection<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}
