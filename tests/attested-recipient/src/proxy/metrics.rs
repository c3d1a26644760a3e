//! The metrics of the proxy.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use attestation::receipt::ReceiptStep;

/// Prefix of the name of every metric.
const PREFIX: &str = "attested_recipient_proxy";

/// The outcome of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The client received a response below 400, with its proof.
    Verified,
    /// The client received an error of the upstream.
    Error,
    /// The proxy rejected the request, and did not send it.
    Invalid,
    /// The last attempt was rejected by a rule.
    Rejected,
    /// The last attempt failed without a response.
    Failed,
    /// The time limit passed.
    TimedOut,
}

impl Outcome {
    const ALL: [Self; 6] =
        [Self::Verified, Self::Error, Self::Invalid, Self::Rejected, Self::Failed, Self::TimedOut];

    const fn name(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Error => "error",
            Self::Invalid => "invalid",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
        }
    }
}

/// The rules of rejections that are not steps of the checklist.
const OTHER_RULES: [&str; 2] = ["framing", "tls"];

/// Counters by label. Every label exists from the start.
#[derive(Debug)]
struct Counters(Vec<(&'static str, AtomicU64)>);

impl Counters {
    fn new(labels: impl IntoIterator<Item = &'static str>) -> Self {
        Self(labels.into_iter().map(|label| (label, AtomicU64::new(0))).collect())
    }

    fn increment(&self, label: &str) {
        if let Some((_, count)) = self.0.iter().find(|(other, _)| *other == label) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The metrics of the proxy.
#[derive(Debug)]
pub(super) struct Metrics {
    requests: Counters,
    rejections: Counters,
    attempts: AtomicU64,
    opened: AtomicU64,
    idle: AtomicU64,
    document_age_secs: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Self {
        let rules = ReceiptStep::ALL.into_iter().map(ReceiptStep::name).chain(OTHER_RULES);
        Self {
            requests: Counters::new(Outcome::ALL.into_iter().map(Outcome::name)),
            rejections: Counters::new(rules),
            attempts: AtomicU64::new(0),
            opened: AtomicU64::new(0),
            idle: AtomicU64::new(0),
            document_age_secs: AtomicU64::new(0),
        }
    }
}

impl Metrics {
    pub(super) fn count_request(&self, outcome: Outcome) {
        self.requests.increment(outcome.name());
    }

    /// Counts a rejection by its rule.
    pub(super) fn count_rejection(&self, rule: &str) {
        self.rejections.increment(rule);
    }

    /// Counts an attempt of a request.
    pub(super) fn count_attempt(&self) {
        self.attempts.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection to the upstream that was opened and verified.
    pub(super) fn count_opened(&self) {
        self.opened.fetch_add(1, Ordering::Relaxed);
    }

    /// Sets the number of idle connections, and the age of their oldest document in seconds.
    pub(super) fn set_idle(&self, connections: usize, document_age_secs: u64) {
        self.idle.store(u64::try_from(connections).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.document_age_secs.store(document_age_secs, Ordering::Relaxed);
    }

    /// Returns all metrics as OpenMetrics text.
    pub(super) fn to_text(self: std::sync::Arc<Self>) -> String {
        let mut registry = Registry::with_prefix(PREFIX);
        registry.register_collector(Box::new(Snapshot(self)));
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = text::encode(&mut text, &registry);
        text
    }
}

#[derive(Debug)]
struct Snapshot(std::sync::Arc<Metrics>);

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Self(metrics) = self;
        let Metrics { requests, rejections, attempts, opened, idle, document_age_secs } =
            &**metrics;
        let help = "Requests of clients, by outcome";
        let family = encoder.encode_descriptor("requests", help, None, MetricType::Counter)?;
        encode_by_label(family, "outcome", requests)?;
        let help = "Enclaves and responses that were rejected, by step of the checklist or rule";
        let family = encoder.encode_descriptor("rejections", help, None, MetricType::Counter)?;
        encode_by_label(family, "step", rejections)?;
        for (name, help, count) in [
            ("attempts", "Attempts of requests", attempts),
            ("upstream_connections", "Connections to the upstream that were verified", opened),
        ] {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            family.encode_counter::<NoLabelSet, u64, u64>(&count.load(Ordering::Relaxed), None)?;
        }
        for (name, help, level) in [
            ("idle_connections", "Idle verified connections to the upstream", idle),
            (
                "document_age_seconds",
                "Age of the oldest attestation document of an idle connection",
                document_age_secs,
            ),
        ] {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            let level = i64::try_from(level.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
            family.encode_gauge(&level)?;
        }
        Ok(())
    }
}

fn encode_by_label(
    mut family: MetricEncoder<'_>,
    label: &str,
    Counters(counters): &Counters,
) -> fmt::Result {
    for (value, count) in counters {
        let labels = [(label, *value)];
        let mut metric = family.encode_family(&labels)?;
        metric.encode_counter::<NoLabelSet, u64, u64>(&count.load(Ordering::Relaxed), None)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn every_series_exists_from_the_start() {
        let metrics = Arc::new(Metrics::default());
        metrics.count_request(Outcome::Rejected);
        metrics.count_rejection("binding");
        metrics.count_attempt();
        metrics.set_idle(2, 30);
        let text = metrics.to_text();
        for line in [
            "attested_recipient_proxy_requests_total{outcome=\"rejected\"} 1\n",
            "attested_recipient_proxy_requests_total{outcome=\"verified\"} 0\n",
            "attested_recipient_proxy_rejections_total{step=\"binding\"} 1\n",
            "attested_recipient_proxy_rejections_total{step=\"tls\"} 0\n",
            "attested_recipient_proxy_attempts_total 1\n",
            "attested_recipient_proxy_upstream_connections_total 0\n",
            "attested_recipient_proxy_idle_connections 2\n",
            "attested_recipient_proxy_document_age_seconds 30\n",
        ] {
            assert!(text.contains(line), "no {line}in {text}");
        }
    }
}
