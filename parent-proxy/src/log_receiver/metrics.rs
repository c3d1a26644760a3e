//! The metrics of the log receiver.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::counts::Counts;
use crate::metrics::{FamilyEncoder, NO_LABELS, level};

/// The metrics of the log receiver.
#[derive(Debug)]
pub(crate) struct LogReceiverMetrics(pub(super) Counts);

impl Collector for LogReceiverMetrics {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Self(counts) = self;
        let mut encoder = FamilyEncoder::new(encoder);
        let help = "Log lines and audit records received from enclaves";
        encoder.counter("log_receiver_lines", help, [(NO_LABELS, counts.lines())])?;
        let dropped = counts.dropped().map(|(reason, count)| ([("reason", reason)], count));
        encoder.counter(
            "log_receiver_lines_dropped",
            "Lines from enclaves that were dropped, by reason",
            dropped,
        )?;
        let open = level(counts.connections_open());
        let help = "Open connections on which enclaves send lines";
        encoder.gauge("log_receiver_connections_open", help, [(NO_LABELS, open)])
    }
}
