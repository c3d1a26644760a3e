//! Limits on the records of unauthenticated callers. With these limits, a flood of such records does not fill
//! the audit trail, and does not displace other records. Omitted records are counted.

use std::sync::atomic::{AtomicU64, Ordering};

use transport::nonblocking_writer::QUEUE_LENGTH;

use crate::rate::Rate;

/// The limits on the records of unauthenticated callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnauthenticatedLimits {
    /// Maximum records per second. A burst may have twice this number.
    pub(crate) per_second: u32,
    /// Length of the queue at which the audit trail begins to omit such records, in percent of [`QUEUE_LENGTH`].
    pub(crate) queue_percent: u32,
}

impl Default for UnauthenticatedLimits {
    /// Returns the default limits. A record of an unauthenticated caller has at most about 1.5 KB. At 100 records per
    /// second, the audit trail therefore grows by at most about 150 KB per second.
    fn default() -> Self {
        Self { per_second: 100, queue_percent: 25 }
    }
}

impl UnauthenticatedLimits {
    /// Returns the full budget of the limits.
    pub(super) fn budget(self) -> UnauthenticatedBudget {
        let queue_length = QUEUE_LENGTH * usize::try_from(self.queue_percent).unwrap_or(0) / 100;
        UnauthenticatedBudget { rate: Rate::per_second(self.per_second), queue_length }
    }
}

/// The remaining budget of the limits.
#[derive(Debug)]
pub(super) struct UnauthenticatedBudget {
    pub(super) rate: Rate,
    /// Length of the queue at which the audit trail begins to omit such records, in lines.
    pub(super) queue_length: usize,
}

/// The counters of omitted records.
#[derive(Debug, Default)]
pub(super) struct OmissionCounters {
    rate: AtomicU64,
    queue: AtomicU64,
    /// Records omitted since the last written record.
    unreported: AtomicU64,
}

/// The numbers of omitted records. Each number is for one limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OmittedCounts {
    pub(crate) rate: u64,
    pub(crate) queue: u64,
}

impl OmittedCounts {
    pub(super) fn total(self) -> u64 {
        self.rate.saturating_add(self.queue)
    }
}

impl OmissionCounters {
    pub(super) fn count_over_rate(&self) {
        self.rate.fetch_add(1, Ordering::Relaxed);
        self.unreported.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_over_queue(&self) {
        self.queue.fetch_add(1, Ordering::Relaxed);
        self.unreported.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the number of records that were omitted since the last call. The next record contains this number.
    pub(super) fn take_unreported(&self) -> u64 {
        self.unreported.swap(0, Ordering::Relaxed)
    }

    pub(super) fn unreported(&self) -> u64 {
        self.unreported.load(Ordering::Relaxed)
    }

    pub(super) fn counts(&self) -> OmittedCounts {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        OmittedCounts { rate: load(&self.rate), queue: load(&self.queue) }
    }
}
