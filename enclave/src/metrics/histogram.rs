//! A histogram of durations.
//!
//! The histogram of `prometheus-client` takes a lock for each observation. This histogram takes no lock and
//! adds to two atomics instead.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// A microsecond, in nanoseconds.
const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;

/// Inclusive upper bounds of the buckets, in nanoseconds. The lowest bound is the duration of a plain
/// response. One more bucket counts longer durations than the highest bound.
const BOUNDS: [u64; 17] = [
    25 * MICROSECOND,
    50 * MICROSECOND,
    100 * MICROSECOND,
    250 * MICROSECOND,
    500 * MICROSECOND,
    MILLISECOND,
    2_500 * MICROSECOND,
    5 * MILLISECOND,
    10 * MILLISECOND,
    25 * MILLISECOND,
    50 * MILLISECOND,
    100 * MILLISECOND,
    250 * MILLISECOND,
    500 * MILLISECOND,
    1_000 * MILLISECOND,
    2_500 * MILLISECOND,
    10_000 * MILLISECOND,
];

const BUCKETS: usize = BOUNDS.len() + 1;

/// A histogram of durations, shown in seconds. Clones share their counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Histogram(Arc<Buckets>);

#[derive(Debug, Default)]
struct Buckets {
    /// Number of observations per bucket, not cumulative.
    counts: [AtomicU64; BUCKETS],
    /// Sum of all durations, in nanoseconds.
    nanos: AtomicU64,
}

impl Histogram {
    /// Counts a duration.
    pub(crate) fn observe(&self, duration: Duration) {
        let Self(buckets) = self;
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| *bound < nanos);
        if let Some(count) = buckets.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        buckets.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Returns the number of observations.
    #[cfg(test)]
    pub(crate) fn count(&self) -> u64 {
        self.0.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let Self(buckets) = self;
        let bounds = BOUNDS.map(|bound| Duration::from_nanos(bound).as_secs_f64());
        let bounds = bounds.into_iter().chain([f64::INFINITY]);
        let counts = buckets.counts.iter().map(|count| count.load(Ordering::Relaxed));
        let encoded: Vec<(f64, u64)> = bounds.zip(counts).collect();
        // The total is computed from the same counts, because the last cumulative bucket must equal the
        // total.
        let count = encoded.iter().map(|(_, count)| count).sum();
        let sum = Duration::from_nanos(buckets.nanos.load(Ordering::Relaxed)).as_secs_f64();
        encoder.encode_histogram::<NoLabelSet>(sum, count, &encoded, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text;
    use prometheus_client::registry::Registry;

    use super::*;

    fn encoded(histogram: &Histogram) -> Vec<String> {
        let mut registry = Registry::default();
        registry.register("took_seconds", "How long", histogram.clone());
        let mut text = String::new();
        text::encode(&mut text, &registry).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn bucket_bounds_are_inclusive() {
        let histogram = Histogram::default();
        for nanos in [0, 25_000, 25_001, 1_000_000, 1_000_001, 10_000_000_001] {
            histogram.observe(Duration::from_nanos(nanos));
        }
        let lines = encoded(&histogram);
        for line in [
            "# TYPE took_seconds histogram",
            "took_seconds_bucket{le=\"0.000025\"} 2",
            "took_seconds_bucket{le=\"0.00005\"} 3",
            "took_seconds_bucket{le=\"0.001\"} 4",
            "took_seconds_bucket{le=\"0.0025\"} 5",
            "took_seconds_bucket{le=\"10.0\"} 5",
            "took_seconds_bucket{le=\"+Inf\"} 6",
            "took_seconds_count 6",
            "took_seconds_sum 10.002050003",
        ] {
            assert!(lines.iter().any(|shown| shown == line), "no {line} in {lines:#?}");
        }
    }

    #[test]
    fn bounds_are_sorted_and_one_fewer_than_buckets() {
        assert!(BOUNDS.is_sorted_by(|one, next| one < next));
        let buckets = encoded(&Histogram::default());
        let buckets = buckets.iter().filter(|line| line.contains("_bucket{")).count();
        assert_eq!(buckets, BUCKETS);
    }

    #[test]
    fn counts_durations_beyond_the_counter_range() {
        let histogram = Histogram::default();
        histogram.observe(Duration::MAX);
        assert_eq!(histogram.count(), 1);
    }
}
