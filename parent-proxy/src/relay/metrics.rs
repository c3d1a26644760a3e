//! The metrics of the relay for clients, and of egress routes.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use crate::limiter::Counts;
use crate::metrics::{FamilyEncoder, level, value};
use crate::relay_context::RelayContext;
use crate::upstream::Upstream;

/// The metrics of the clients of a relay.
#[derive(Debug)]
pub(crate) struct ClientMetrics(pub(crate) Arc<RelayContext>);

impl Collector for ClientMetrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Self(context) = self;
        let mut encoder = FamilyEncoder::new(encoder);
        let limits = context.peer_policy.limiter().map(|limiter| &limiter.counts);
        let limited =
            |count: fn(&Counts) -> &AtomicU64| limits.map_or(0, |limits| value(count(limits)));
        let rejected = [
            ([("reason", "per_client")], limited(|counts| &counts.rejected_per_client)),
            ([("reason", "no_upstream")], value(&context.pool.unserved)),
        ];
        encoder.counter(
            "connections_rejected",
            "Client connections closed immediately, by reason",
            rejected,
        )?;
        let evicted = [
            ([("reason", "per_client")], limited(|counts| &counts.evicted_per_client)),
            ([("reason", "full")], limited(|counts| &counts.evicted_full)),
        ];
        let help = "Idle connections closed to make room for a new one, by reason";
        encoder.counter("connections_evicted", help, evicted)
    }
}

/// The metrics of egress routes, as pairs of a route's name and the context of its relay.
#[derive(Debug)]
pub(crate) struct EgressMetrics(pub(crate) Vec<(String, Arc<RelayContext>)>);

impl Collector for EgressMetrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let hosts = self.hosts();
        if hosts.is_empty() {
            return Ok(());
        }
        let mut encoder = FamilyEncoder::new(encoder);
        let each = || hosts.iter().map(|(route, one)| ([("route", *route)], one));
        let connections = each().map(|(label, one)| (label, value(&one.counts.connections)));
        encoder.counter(
            "egress_connections",
            "Connections from enclaves to the host of an egress route",
            connections,
        )?;
        let failures = each().map(|(label, one)| (label, value(&one.counts.connect_failures)));
        encoder.counter(
            "egress_connect_failures",
            "Failed attempts to connect to the host of an egress route",
            failures,
        )?;
        let open = each().map(|(label, one)| (label, level(one.open_connections())));
        encoder.gauge(
            "egress_connections_open",
            "Open connections to the host of an egress route",
            open,
        )?;
        let bytes = each().flat_map(|([route], one)| {
            // Here the enclave is on the client side, and the host on the upstream side.
            [("to_host", &one.traffic.to_enclave), ("to_enclave", &one.traffic.to_client)]
                .map(|(direction, count)| ([route, ("direction", direction)], value(count)))
        });
        encoder.counter("egress_bytes", "Bytes relayed on an egress route, by direction", bytes)
    }
}

impl EgressMetrics {
    fn hosts(&self) -> Vec<(&str, Arc<Upstream>)> {
        let mut hosts = Vec::new();
        for (route, context) in &self.0 {
            hosts.extend(context.pool.upstreams().iter().map(|one| (&**route, Arc::clone(one))));
        }
        hosts
    }
}
