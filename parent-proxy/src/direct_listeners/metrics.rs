//! The metrics of direct listeners.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::DirectListeners;
use crate::metrics::{FamilyEncoder, level, value};

/// The metrics of direct listeners.
#[derive(Debug)]
pub(crate) struct DirectListenerMetrics(pub(crate) Arc<DirectListeners>);

impl Collector for DirectListenerMetrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let all = self.0.upstreams();
        if all.is_empty() {
            return Ok(());
        }
        let mut encoder = FamilyEncoder::new(encoder);
        let names: Vec<String> = all.iter().map(|one| one.endpoint().to_string()).collect();
        let each = || names.iter().map(|name| [("upstream", &**name)]).zip(&all);
        let connections = each().map(|(label, one)| (label, value(&one.counts.connections)));
        let help = "Connections to an enclave through its direct listener";
        encoder.counter("direct_connections", help, connections)?;
        let open = each().map(|(label, one)| (label, level(one.open_connections())));
        let help = "Open connections to an enclave through its direct listener";
        encoder.gauge("direct_connections_open", help, open)
    }
}
