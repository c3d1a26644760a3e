//! Metrics of custom key stores.

use kms_api::ConnectionState;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::metrics::{Label, MetricsRegistry, labelled};

/// The metrics of custom key stores.
#[derive(Debug)]
pub(crate) struct KeyStoreMetrics {
    /// Counters of draws from HSMs.
    #[cfg_attr(not(feature = "pkcs11"), expect(dead_code, reason = "there are no HSMs"))]
    pub(crate) draws: KeyStoreDraws,
    /// Number of connections to HSMs that failed or could not be made.
    #[cfg_attr(not(feature = "pkcs11"), expect(dead_code, reason = "there are no HSMs"))]
    pub(crate) failures: Counter,
    states: Family<Label, Gauge>,
}

/// Counters of draws from HSMs, by outcome.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "pkcs11"), expect(dead_code, reason = "there are no HSMs"))]
pub(crate) struct KeyStoreDraws {
    pub(crate) success: Counter,
    pub(crate) timed_out: Counter,
    pub(crate) queue_full: Counter,
    pub(crate) failed: Counter,
}

impl KeyStoreMetrics {
    /// Registers the metrics.
    pub(crate) fn register(registry: &mut MetricsRegistry) -> Self {
        let help = "Draws of random bytes from HSMs, by outcome";
        let draws: Family<Label, Counter> = registry.family("key_store_draws", help);
        let draws_with = |outcome| labelled(&draws, [("outcome", outcome)]);
        let help = "Connections to HSMs that failed or could not be opened";
        Self {
            draws: KeyStoreDraws {
                success: draws_with("success"),
                timed_out: draws_with("timed_out"),
                queue_full: draws_with("queue_full"),
                failed: draws_with("failed"),
            },
            failures: registry.counter("key_store_connection_failures", help),
            states: registry.family("key_stores", "Custom key stores, by ConnectionState"),
        }
    }

    /// Sets the number of key stores in each state.
    pub(super) fn set_states(&self, counts: [(ConnectionState, usize); 4]) {
        for (state, count) in counts {
            let gauge = labelled(&self.states, [("state", state.name())]);
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// Returns metrics that no registry shows.
    #[cfg(all(test, feature = "pkcs11"))]
    pub(super) fn unregistered() -> std::sync::Arc<Self> {
        std::sync::Arc::new(Self::register(&mut MetricsRegistry::new()))
    }
}
