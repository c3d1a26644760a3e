//! The metrics of a pool and its upstreams.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::Pool;
use crate::metrics::{FamilyEncoder, NO_LABELS, level, value};
use crate::upstream::{Health, Upstream};

/// The metrics of the pool that serves clients.
#[derive(Debug)]
pub(crate) struct PoolMetrics(pub(crate) Arc<Pool>);

impl Collector for PoolMetrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Self(pool) = self;
        let mut encoder = FamilyEncoder::new(encoder);
        let ready = i64::from(pool.not_ready_reason().is_none());
        encoder.gauge("ready", "1 if /readyz reports ready, otherwise 0", [(NO_LABELS, ready)])?;
        let upstreams = LabeledUpstreams::new(&pool.upstreams());
        upstreams.encode_counts(&mut encoder)?;
        upstreams.encode_balancing(&mut encoder)?;
        upstreams.encode_checks(&mut encoder)?;
        upstreams.encode_bytes(&mut encoder)?;
        let open = pool.open_connections();
        let open = open.iter().map(|(name, &count)| ([("upstream", &**name)], level(count)));
        encoder.gauge("connections_open", "Open connections to an enclave", open)?;
        let help = "Connections retried with another upstream after a failed attempt";
        encoder.counter("connect_retries", help, [(NO_LABELS, value(&pool.retries))])
    }
}

/// Upstreams with the value of their `upstream` label.
struct LabeledUpstreams(Vec<(String, Arc<Upstream>)>);

/// A counter of an upstream: name, help text and accessor.
type UpstreamCounter = (&'static str, &'static str, fn(&Upstream) -> &AtomicU64);

/// Counters whose only label is `upstream`.
const COUNTERS: [UpstreamCounter; 5] = [
    ("connections", "Connections to an enclave", |one| &one.counts.connections),
    ("connect_failures", "Failed attempts to connect to an enclave", |one| {
        &one.counts.connect_failures
    }),
    ("ejections", "Ejections of an enclave from balancing", |one| &one.counts.ejections),
    ("scrape_failures", "Failed scrapes of the metrics of an enclave", |one| {
        &one.counts.scrape_failures
    }),
    (
        "unresponsive_connections_closed",
        "Connections closed because an enclave that fails health checks sent no response",
        |one| &one.counts.unresponsive,
    ),
];

impl LabeledUpstreams {
    fn new(upstreams: &[Arc<Upstream>]) -> Self {
        let named = |one: &Arc<Upstream>| (one.endpoint().to_string(), Arc::clone(one));
        Self(upstreams.iter().map(named).collect())
    }

    fn each(&self) -> impl Iterator<Item = ([(&str, &str); 1], &Upstream)> {
        self.0.iter().map(|(name, upstream)| ([("upstream", &**name)], &**upstream))
    }

    fn encode_counts(&self, encoder: &mut FamilyEncoder<'_>) -> fmt::Result {
        for (name, help, count) in COUNTERS {
            let counts = self.each().map(|(label, one)| (label, value(count(one))));
            encoder.counter(name, help, counts)?;
        }
        let healthy = |one: &Upstream| i64::from(one.health() != Health::Ejected);
        let healthy = self.each().map(|(label, one)| (label, healthy(one)));
        encoder.gauge("upstream_healthy", "0 if an enclave is ejected, otherwise 1", healthy)
    }

    /// Encodes the values that determine the number of clients of each upstream.
    fn encode_balancing(&self, encoder: &mut FamilyEncoder<'_>) -> fmt::Result {
        let standby = self.each().map(|(label, one)| (label, i64::from(one.is_standby())));
        let help = "1 if an enclave is configured as standby and receives no clients, otherwise 0";
        encoder.gauge("upstream_standby", help, standby)?;
        let weights = self.each().map(|(label, one)| (label, one.handshakes.weight()));
        encoder.gauge(
            "upstream_weight",
            "Balancing weight of an enclave, from 0.1 to 1",
            weights,
        )?;
        let shares = self.each();
        let shares =
            shares.filter_map(|(label, one)| Some((label, one.handshakes.rejected_share()?)));
        let help =
            "Share of recent TLS handshakes that clients ended with unknown_ca or bad_certificate";
        encoder.gauge("upstream_handshake_rejections_ratio", help, shares)?;
        let rejected = |one: &Upstream| i64::from(one.handshakes.is_rejected());
        let rejected = self.each().map(|(label, one)| (label, rejected(one)));
        let help = "1 if the share of rejected handshakes is far above that of the other enclaves, otherwise 0";
        encoder.gauge("upstream_handshakes_rejected", help, rejected)
    }

    fn encode_checks(&self, encoder: &mut FamilyEncoder<'_>) -> fmt::Result {
        let checks = self.each().flat_map(|([upstream], one)| {
            let counts = &one.counts;
            [("ready", &counts.ready), ("not_ready", &counts.not_ready), ("failed", &counts.failed)]
                .map(|(outcome, count)| ([upstream, ("outcome", outcome)], value(count)))
        });
        encoder.counter("health_checks", "Health checks of an enclave, by outcome", checks)
    }

    fn encode_bytes(&self, encoder: &mut FamilyEncoder<'_>) -> fmt::Result {
        let bytes = self.each().flat_map(|([upstream], one)| {
            [("to_enclave", &one.traffic.to_enclave), ("to_client", &one.traffic.to_client)]
                .map(|(direction, count)| ([upstream, ("direction", direction)], value(count)))
        });
        encoder.counter("bytes", "Bytes relayed, by direction", bytes)
    }
}
