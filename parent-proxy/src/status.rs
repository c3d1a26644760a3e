//! The status of this process for its admin endpoint: readiness, and the metrics of the relay and its
//! enclaves.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;

use crate::metrics::{FamilyEncoder, NO_LABELS};
use crate::scrape::{self, MergedMetrics};
use crate::single_flight::SingleFlight;
use crate::upstream_pool::Pool;

/// Media type of the metrics.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Last line of an OpenMetrics text.
const END: &str = "# EOF\n";

/// The status of this process.
#[derive(Debug)]
pub(crate) struct Status {
    pool: Arc<Pool>,
    /// True if connections to listeners for clients start with a PROXY protocol header.
    proxy_protocol: bool,
    registry: Registry,
    /// The metrics text. Concurrent requests share it, because each text reads up to 1 MiB from every
    /// enclave.
    metrics_flight: SingleFlight<Bytes>,
}

impl Status {
    /// Creates the status of a relay to `pool`. `registry` contains the relay's own metrics.
    pub(crate) fn new(pool: Arc<Pool>, proxy_protocol: bool, registry: Registry) -> Self {
        Self { pool, proxy_protocol, registry, metrics_flight: SingleFlight::new() }
    }

    /// Returns the reason why a client would not be served, or `None` if a client would be served.
    pub(crate) fn not_ready_reason(&self) -> Option<&'static str> {
        self.pool.not_ready_reason()
    }

    /// Returns the metrics of this process and its enclaves as OpenMetrics text.
    pub(crate) async fn metrics(&self) -> Bytes {
        self.metrics_flight.run(async || self.text().await.into()).await
    }

    /// Encodes the relay's metrics, and merges those of the enclaves.
    async fn text(&self) -> String {
        let mut merged = MergedMetrics::default();
        for (upstream, text) in scrape::scrape_all(&self.pool, self.proxy_protocol).await {
            merged.add(&upstream, &text);
        }
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = text::encode(&mut text, &self.registry);
        let own = text.strip_suffix(END).unwrap_or(&text);
        format!("{own}{merged}{END}")
    }
}

/// The metrics of the process itself.
#[derive(Debug)]
pub(crate) struct ProcessMetrics {
    /// Returns the number of lines that the relay's own log has lost.
    pub(crate) log_lines_dropped: fn() -> u64,
}

impl Collector for ProcessMetrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut encoder = FamilyEncoder::new(encoder);
        let info = [("version", env!("CARGO_PKG_VERSION"))];
        encoder.gauge("build_info", "1, with the version of this build", [(info, 1)])?;
        let help = "Lines of the relay's own log that were dropped";
        encoder.counter("log_lines_dropped", help, [(NO_LABELS, (self.log_lines_dropped)())])
    }
}
