//! Calls made to the NSM: how many, and how long they took.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::{Histogram, Label, counters, of};

/// By request.
#[derive(Debug)]
pub(crate) struct NsmCalls {
    pub(crate) get_random: NsmCall,
    pub(crate) attestation: NsmCall,
    pub(crate) describe_pcr: NsmCall,
    pub(crate) extend_pcr: NsmCall,
    pub(crate) lock_pcr: NsmCall,
}

/// Those of one request.
#[derive(Debug)]
pub(crate) struct NsmCall {
    calls: Counter,
    duration: Histogram,
}

impl NsmCalls {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let calls: Family<Label, Counter> =
            counters(registry, "nsm_calls", "Calls made to the NSM");
        let durations = Family::<Label, Histogram>::default();
        let help = "How long the NSM took over each call that has returned";
        registry.register("nsm_call_duration_seconds", help, durations.clone());
        let of = |name| NsmCall {
            calls: of(&calls, "request", name),
            duration: durations.get_or_create(&[("request", name)]).clone(),
        };
        Self {
            get_random: of("GetRandom"),
            attestation: of("Attestation"),
            describe_pcr: of("DescribePCR"),
            extend_pcr: of("ExtendPCR"),
            lock_pcr: of("LockPCR"),
        }
    }
}

impl NsmCall {
    /// One is made.
    pub(crate) fn begin(&self) {
        self.calls.inc();
    }

    /// It has returned.
    pub(crate) fn end(&self, took: Duration) {
        self.duration.observe(took);
    }
}

#[cfg(test)]
impl NsmCall {
    /// How many were made.
    pub(crate) fn get(&self) -> u64 {
        self.calls.get()
    }

    /// How many have returned.
    pub(crate) fn returned(&self) -> u64 {
        self.duration.count()
    }
}
