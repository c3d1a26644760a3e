//! The registry of the metrics.

use std::fmt;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, text};
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Metric, Registry};

/// The media type of [`MetricsRegistry::encode`].
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Prefix of each metric name.
const PREFIX: &str = "attested_random";

/// A label with its value.
pub(crate) type Label = [(&'static str, &'static str); 1];

/// The metrics of one service.
pub(crate) struct MetricsRegistry(Registry);

impl MetricsRegistry {
    /// Returns a registry that contains only the version of this build.
    pub(crate) fn new() -> Self {
        let mut this = Self(Registry::with_prefix(PREFIX));
        let build: Family<Label, Gauge> =
            this.family("build_info", "1, with the version of this build");
        labelled(&build, [("version", env!("CARGO_PKG_VERSION"))]).set(1);
        this
    }

    /// Registers a counter.
    pub(crate) fn counter(&mut self, name: &str, help: &str) -> Counter {
        self.metric(name, help)
    }

    /// Registers a gauge.
    pub(crate) fn gauge(&mut self, name: &str, help: &str) -> Gauge {
        self.metric(name, help)
    }

    /// Registers a gauge of fractions, such as seconds.
    pub(crate) fn float_gauge(&mut self, name: &str, help: &str) -> Gauge<f64, AtomicU64> {
        self.metric(name, help)
    }

    /// Registers a family of metrics that differ in their labels.
    pub(crate) fn family<S, M>(&mut self, name: &str, help: &str) -> Family<S, M>
    where
        S: Clone + std::hash::Hash + Eq + EncodeLabelSet + fmt::Debug + Send + Sync + 'static,
        M: Default + EncodeMetric + TypedMetric + fmt::Debug + Send + Sync + 'static,
    {
        self.metric(name, help)
    }

    /// Returns all metrics as text.
    ///
    /// # Errors
    /// Never fails, because a write to a string never fails.
    pub(crate) fn encode(&self) -> Result<String, fmt::Error> {
        let mut encoded = String::new();
        text::encode(&mut encoded, &self.0)?;
        Ok(encoded)
    }

    fn metric<M: Clone + Default + Metric>(&mut self, name: &str, help: &str) -> M {
        let metric = M::default();
        self.0.register(name, help, metric.clone());
        metric
    }
}

impl fmt::Debug for MetricsRegistry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("MetricsRegistry(..)")
    }
}

/// Returns the metric of `family` with `labels`. The first call adds the metric to the output of the
/// registry.
pub(crate) fn labelled<S, M>(family: &Family<S, M>, labels: S) -> M
where
    S: Clone + std::hash::Hash + Eq,
    M: Clone + Default,
{
    family.get_or_create(&labels).clone()
}
