//! Limits on the records of unauthenticated callers, so that a flood of them neither fills the trail nor
//! displaces the records of others. What the limits leave out is counted.

use std::sync::atomic::{AtomicU64, Ordering};

use transport::nonblocking_writer::QUEUE_LENGTH;

use crate::rate::Rate;

/// Limits on the records of unauthenticated callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnauthenticatedLimits {
    /// Records a second, and twice that in a burst.
    pub(crate) per_second: u32,
    /// Lines in the queue, in percent of [`QUEUE_LENGTH`], from which on no more are taken.
    pub(crate) queue_percent: u32,
}

impl Default for UnauthenticatedLimits {
    /// A record of an unauthenticated caller is at most some 1.5 KB: 150 KB a second.
    fn default() -> Self {
        Self { per_second: 100, queue_percent: 25 }
    }
}

impl UnauthenticatedLimits {
    /// Returns the limits' budget, unused.
    pub(super) fn budget(self) -> UnauthenticatedBudget {
        let queue_length = QUEUE_LENGTH * usize::try_from(self.queue_percent).unwrap_or(0) / 100;
        UnauthenticatedBudget { rate: Rate::per_second(self.per_second), queue_length }
    }
}

/// What is left of the limits.
#[derive(Debug)]
pub(super) struct UnauthenticatedBudget {
    pub(super) rate: Rate,
    /// Lines in the queue from which on no more records are taken.
    pub(super) queue_length: usize,
}

/// Counts of the records that were left out.
#[derive(Debug, Default)]
pub(super) struct OmissionCounters {
    rate: AtomicU64,
    queue: AtomicU64,
    /// Records left out since the last record that told a count.
    unreported: AtomicU64,
}

/// Numbers of records that were left out so far, by the limit that left them out.
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

    /// Returns how many were left out since this was last called, for the record that tells it.
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
