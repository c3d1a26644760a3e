//! Encodes metrics in the text format of OpenMetrics 1.0.
//!
//! Each subsystem has its own collector, which encodes its counters with this module.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;

/// Prefix of the name of every metric.
pub(crate) const PREFIX: &str = "attested_random_proxy";

/// The labels of a metric without labels.
pub(crate) const NO_LABELS: [(&str, &str); 0] = [];

/// The names and values of `N` labels.
pub(crate) type Labels<'a, const N: usize> = [(&'a str, &'a str); N];

/// Returns the value of a counter.
pub(crate) fn value(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

/// Returns a number of connections as a gauge value.
pub(crate) fn level(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// An encoder of metric families: metrics with the same name and different label values.
pub(crate) struct FamilyEncoder<'a>(DescriptorEncoder<'a>);

impl<'a> FamilyEncoder<'a> {
    /// Creates an encoder that appends to `encoder`.
    pub(crate) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    /// Encodes a family of counters.
    pub(crate) fn counter<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (Labels<'l, N>, u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in values {
            let encode = |encoder: &mut MetricEncoder<'_>| {
                encoder.encode_counter::<NoLabelSet, u64, u64>(&value, None)
            };
            encode_labelled(&mut family, &labels, encode)?;
        }
        Ok(())
    }

    /// Encodes a family of gauges.
    pub(crate) fn gauge<'l, const N: usize, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (Labels<'l, N>, V)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in values {
            encode_labelled(&mut family, &labels, |encoder| encoder.encode_gauge(&value))?;
        }
        Ok(())
    }
}

fn encode_labelled<const N: usize>(
    family: &mut MetricEncoder<'_>,
    labels: &Labels<'_, N>,
    encode: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
) -> fmt::Result
where
    for<'a> Labels<'a, N>: EncodeLabelSet,
{
    match N {
        // Without labels there are no braces either.
        0 => encode(family),
        _ => encode(&mut family.encode_family(labels)?),
    }
}
