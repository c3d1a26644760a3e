//! Encoding of metrics in the text format of OpenMetrics 1.0.
//!
//! Each subsystem has a collector of its own, which encodes its counters by this. No subsystem is known here.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;

/// The prefix of the name of each metric.
pub(crate) const PREFIX: &str = "attested_random_proxy";

/// The labels of a metric that has none.
pub(crate) const NO_LABELS: [(&str, &str); 0] = [];

/// The value of one label or the values of several, by name.
pub(crate) type Labels<'a, const N: usize> = [(&'a str, &'a str); N];

/// Returns the present value of a counter.
pub(crate) fn value(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

/// Returns a number of connections as the value of a gauge.
pub(crate) fn level(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// An encoder of families: metrics of one name that differ in labels alone.
pub(crate) struct FamilyEncoder<'a>(DescriptorEncoder<'a>);

impl<'a> FamilyEncoder<'a> {
    /// Creates an encoder that appends to the text of `encoder`.
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
        // Without labels there is no list of them either.
        0 => encode(family),
        _ => encode(&mut family.encode_family(labels)?),
    }
}
