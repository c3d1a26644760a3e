//! Metrics of the NSM and of the clock that the NSM synchronizes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::fault::NsmFault;
use crate::clock::SyncReport;
use crate::metrics::{Histogram, Label, MetricsRegistry, labelled};

/// The metrics of the NSM.
#[derive(Debug)]
pub(crate) struct NsmMetrics {
    pub(crate) calls: NsmCalls,
    pub(super) blocks: BlocksUsed,
    faults: Family<Label, Counter>,
    prefetched: Gauge,
    expired: Counter,
    clock_disagreements: Counter,
    clock_offset: Gauge<f64, AtomicU64>,
}

/// Metrics of calls, by request type.
#[derive(Debug)]
pub(crate) struct NsmCalls {
    pub(crate) get_random: NsmCall,
    pub(crate) attestation: NsmCall,
    pub(super) describe_pcr: NsmCall,
    pub(super) extend_pcr: NsmCall,
    pub(super) lock_pcr: NsmCall,
}

/// The metrics of calls with one request type.
#[derive(Debug)]
pub(crate) struct NsmCall {
    calls: Counter,
    duration: Histogram,
}

/// Counters of blocks that requests used.
#[derive(Debug)]
pub(super) struct BlocksUsed {
    /// Blocks that were prefetched.
    pub(super) prefetched: Counter,
    /// Blocks that a request waited for.
    pub(super) on_demand: Counter,
}

impl NsmMetrics {
    /// Registers the metrics.
    pub(crate) fn register(registry: &mut MetricsRegistry) -> Self {
        let calls = NsmCalls::register(registry);
        let help = "NSM blocks used, by source";
        let blocks: Family<Label, Counter> = registry.family("nsm_blocks", help);
        let faults = registry.family("nsm_faults", "Faults of the NSM, by cause");
        for cause in NsmFault::CAUSES.into_iter().chain(NsmFault::CLOCK_CAUSES) {
            labelled(&faults, [("cause", cause)]);
        }
        let help = "Prefetched NSM blocks discarded because they exceeded their maximum age";
        let expired = registry.counter("nsm_blocks_expired", help);
        let help = "Comparisons in which the system clock differed from the NSM time by over 2 s";
        let clock_disagreements = registry.counter("clock_disagreements", help);
        let help = "System clock minus NSM time at the last comparison, in seconds";
        let clock_offset = registry.float_gauge("clock_offset_seconds", help);
        let prefetched = registry.gauge("nsm_blocks_prefetched", "Prefetched NSM blocks available");
        let blocks = BlocksUsed {
            prefetched: labelled(&blocks, [("source", "prefetched")]),
            on_demand: labelled(&blocks, [("source", "on_demand")]),
        };
        Self { calls, blocks, faults, prefetched, expired, clock_disagreements, clock_offset }
    }

    /// Counts a fault of the NSM.
    pub(super) fn count_fault(&self, fault: &NsmFault) {
        labelled(&self.faults, [("cause", fault.cause())]).inc();
    }

    /// Counts a clock synchronization.
    pub(super) fn count_sync(&self, sync: &SyncReport) {
        self.clock_offset.set(sync.offset_seconds());
        if sync.exceeds_limit() {
            self.clock_disagreements.inc();
        }
    }

    /// Sets the number of prefetched blocks, and the number of expired blocks so far.
    pub(super) fn set_block_counts(&self, ready: usize, expired: u64) {
        self.prefetched.set(i64::try_from(ready).unwrap_or(i64::MAX));
        self.expired.inner().store(expired, Ordering::Relaxed);
    }
}

#[cfg(test)]
impl NsmMetrics {
    /// Returns metrics that no registry shows.
    pub(crate) fn unregistered() -> std::sync::Arc<Self> {
        std::sync::Arc::new(Self::register(&mut MetricsRegistry::new()))
    }

    /// Returns the number of synchronizations that found the system clock wrong.
    pub(super) fn clock_disagreements(&self) -> u64 {
        self.clock_disagreements.get()
    }

    /// Returns the number of faults with the same cause.
    pub(super) fn faults(&self, fault: &NsmFault) -> u64 {
        labelled(&self.faults, [("cause", fault.cause())]).get()
    }
}

impl NsmCalls {
    fn register(registry: &mut MetricsRegistry) -> Self {
        let calls: Family<Label, Counter> =
            registry.family("nsm_calls", "Calls to the NSM, by request");
        let help = "Duration of completed NSM calls, by request";
        let durations: Family<Label, Histogram> =
            registry.family("nsm_call_duration_seconds", help);
        let for_request = |request| NsmCall {
            calls: labelled(&calls, [("request", request)]),
            duration: labelled(&durations, [("request", request)]),
        };
        Self {
            get_random: for_request("GetRandom"),
            attestation: for_request("Attestation"),
            describe_pcr: for_request("DescribePCR"),
            extend_pcr: for_request("ExtendPCR"),
            lock_pcr: for_request("LockPCR"),
        }
    }
}

impl NsmCall {
    /// Counts the start of a call.
    pub(super) fn begin(&self) {
        self.calls.inc();
    }

    /// Counts the end of a call.
    pub(super) fn end(&self, duration: Duration) {
        self.duration.observe(duration);
    }
}

#[cfg(test)]
impl NsmCall {
    /// Returns the number of calls so far.
    pub(crate) fn get(&self) -> u64 {
        self.calls.get()
    }

    /// Returns the number of calls that have returned.
    pub(super) fn returned(&self) -> u64 {
        self.duration.count()
    }
}
