//! The metrics of KMS requests: their number and duration, by operation and outcome.

use std::time::Duration;

use kms_api::{ErrorType, Operation};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use crate::metrics::{Histogram, Label, MetricsRegistry, labelled};
use crate::request::Outcome;

/// The labels of a counter: the operation and the outcome.
type Labels = [(&'static str, &'static str); 2];

/// The metrics of KMS requests, by operation. The operation is `unknown` for unauthenticated requests, and for
/// requests that name no operation of this service.
#[derive(Debug)]
pub(crate) struct RequestMetrics {
    generate_random: Outcomes,
    describe_custom_key_stores: Outcomes,
    unknown: Outcomes,
}

/// The metrics of one operation, by outcome. Every time series exists from the start of the service, so that
/// a rate that a monitoring system computes includes the first request.
#[derive(Debug)]
struct Outcomes {
    success: Counter,
    client_disconnected: Counter,
    errors: [(ErrorType, Counter); ErrorType::ALL.len()],
    duration: Histogram,
}

impl RequestMetrics {
    /// Registers the metrics.
    pub(crate) fn register(registry: &mut MetricsRegistry) -> Self {
        let help = "KMS requests, by operation and outcome (success or the error name)";
        let counters: Family<Labels, Counter> = registry.family("requests", help);
        let help = "Time from the receipt of a KMS request until its response was ready";
        let durations: Family<Label, Histogram> = registry.family("request_duration_seconds", help);
        let outcomes = |operation| {
            let counter = |outcome| {
                let labels = [("operation", operation), ("outcome", outcome)];
                labelled(&counters, labels)
            };
            Outcomes {
                success: counter("success"),
                client_disconnected: counter(Outcome::CLIENT_DISCONNECTED),
                errors: ErrorType::ALL.map(|error| (error, counter(error.name()))),
                duration: labelled(&durations, [("operation", operation)]),
            }
        };
        Self {
            generate_random: outcomes(Operation::GenerateRandom.name()),
            describe_custom_key_stores: outcomes(Operation::DescribeCustomKeyStores.name()),
            unknown: outcomes(UNKNOWN_OPERATION),
        }
    }

    /// Counts a completed request.
    pub(crate) fn count(&self, operation: Option<Operation>, outcome: Outcome, duration: Duration) {
        let outcomes = match operation {
            Some(Operation::GenerateRandom) => &self.generate_random,
            Some(Operation::DescribeCustomKeyStores) => &self.describe_custom_key_stores,
            None => &self.unknown,
        };
        let counter = match outcome {
            Outcome::Success => Some(&outcomes.success),
            Outcome::ClientDisconnected => Some(&outcomes.client_disconnected),
            Outcome::Error(error) => {
                let found = outcomes.errors.iter().find(|(error_type, _)| *error_type == error);
                found.map(|(_, counter)| counter)
            }
        };
        counter.map(Counter::inc);
        outcomes.duration.observe(duration);
    }
}

/// The label of an unknown operation.
pub(crate) const UNKNOWN_OPERATION: &str = "unknown";
