//! Metrics of TLS handshakes.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use crate::metrics::{Label, MetricsRegistry, labelled};

/// Counters of TLS handshakes, by outcome.
#[derive(Clone, Debug)]
pub(crate) struct TlsMetrics {
    pub(crate) full: Counter,
    pub(crate) resumed: Counter,
    /// The client sent the alert `unknown_ca`.
    pub(crate) unknown_ca: Counter,
    /// The client sent the alert `bad_certificate`.
    pub(crate) bad_certificate: Counter,
    /// The client sent another alert.
    pub(crate) other_alert: Counter,
    /// The client closed the connection without an error alert.
    pub(crate) closed: Counter,
    /// The service aborted the handshake, because the client violated the protocol or supports no common parameters.
    pub(crate) failed: Counter,
    pub(crate) timed_out: Counter,
    pub(crate) evicted: Counter,
}

impl TlsMetrics {
    /// Registers the counters.
    pub(crate) fn register(registry: &mut MetricsRegistry) -> Self {
        let help = "TLS handshakes, by outcome";
        let handshakes: Family<Label, Counter> = registry.family("tls_handshakes", help);
        let of = |outcome| labelled(&handshakes, [("outcome", outcome)]);
        Self {
            full: of("full"),
            resumed: of("resumed"),
            unknown_ca: of("unknown_ca"),
            bad_certificate: of("bad_certificate"),
            other_alert: of("other_alert"),
            closed: of("closed"),
            failed: of("failed"),
            timed_out: of("timed_out"),
            evicted: of("evicted"),
        }
    }
}
