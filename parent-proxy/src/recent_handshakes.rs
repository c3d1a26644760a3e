//! The recent TLS handshakes of one upstream.

use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::decaying_count::DecayingCount;

/// Time after which a handshake counts half as much. A number of handshakes "in the recent window" is the sum
/// of these decayed counts.
const HALF_LIFE: Duration = Duration::from_secs(30);

/// Minimum number of recent handshakes from which a share of rejected handshakes is computed.
pub(crate) const MIN_HANDSHAKES_FOR_SHARE: f64 = 1.0;

/// Weight in the upstream selection of an upstream whose handshakes clients do not reject, in thousandths.
pub(crate) const FULL_WEIGHT: u16 = 1000;

/// The handshakes of one upstream in the recent window, and the last comparison with its siblings.
#[derive(Debug)]
pub(crate) struct RecentHandshakes {
    all: DecayingCount,
    rejections: DecayingCount,
    /// The counters at the last reading.
    last: Mutex<Option<HandshakeCounters>>,
    is_rejected: AtomicBool,
    /// Weight in the upstream selection, in thousandths.
    weight: AtomicU16,
}

/// The counters of an enclave since its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HandshakeCounters {
    pub(crate) handshakes: u64,
    pub(crate) rejections: u64,
}

/// The handshakes in the recent window, and the result of the last comparison.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HandshakeStats {
    /// Number of handshakes in the recent window, with decay.
    pub(crate) handshakes: f64,
    /// Number of these handshakes that the client rejected.
    pub(crate) rejections: f64,
    /// True if the last comparison found that the rejected share far exceeds that of the siblings.
    pub(crate) is_rejected: bool,
    /// True if the last comparison lowered the weight below 1.
    pub(crate) is_lowered: bool,
}

impl HandshakeStats {
    /// Returns the share of rejected handshakes; `None` if there were too few handshakes.
    pub(crate) fn share(&self) -> Option<f64> {
        (self.handshakes >= MIN_HANDSHAKES_FOR_SHARE)
            .then(|| (self.rejections / self.handshakes).min(1.0))
    }
}

impl RecentHandshakes {
    /// Creates a window without handshakes, with full weight.
    pub(crate) fn new() -> Self {
        Self {
            all: DecayingCount::new(HALF_LIFE),
            rejections: DecayingCount::new(HALF_LIFE),
            last: Mutex::default(),
            is_rejected: AtomicBool::new(false),
            weight: AtomicU16::new(FULL_WEIGHT),
        }
    }

    /// Returns the weight in the upstream selection, from 0.1 to 1.
    pub(crate) fn weight(&self) -> f64 {
        f64::from(self.weight.load(Ordering::Relaxed)) / 1000.0
    }

    /// Returns whether the share of rejected handshakes far exceeds that of the siblings.
    pub(crate) fn is_rejected(&self) -> bool {
        self.is_rejected.load(Ordering::Relaxed)
    }

    /// Sets the weight in the upstream selection, in thousandths.
    pub(crate) fn set_weight(&self, thousandths: u16) {
        self.weight.store(thousandths, Ordering::Relaxed);
    }

    /// Sets whether the share of rejected handshakes far exceeds that of the siblings. Returns whether the
    /// value changed.
    pub(crate) fn set_rejected(&self, is_rejected: bool) -> bool {
        self.is_rejected.swap(is_rejected, Ordering::Relaxed) != is_rejected
    }

    /// Returns the share of rejected handshakes in the recent window, or 0 if there were too few handshakes.
    /// Returns `None` if the counters were never read.
    pub(crate) fn rejected_share(&self) -> Option<f64> {
        self.last().map(|_| self.stats().share().unwrap_or_default())
    }

    /// Returns the handshakes in the recent window and the result of the last comparison.
    pub(crate) fn stats(&self) -> HandshakeStats {
        let now = Instant::now();
        HandshakeStats {
            handshakes: self.all.at(now),
            rejections: self.rejections.at(now),
            is_rejected: self.is_rejected(),
            is_lowered: self.weight() < 1.0,
        }
    }

    fn last(&self) -> MutexGuard<'_, Option<HandshakeCounters>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the handshakes since the last reading. If a counter has decreased, the enclave was restarted, so
    /// the earlier handshakes are discarded.
    pub(crate) fn record(&self, counters: HandshakeCounters) {
        let last = self.last().replace(counters);
        let Some(last) = last else { return };
        let added = |now: u64, before: u64| now.checked_sub(before);
        let added = match (
            added(counters.handshakes, last.handshakes),
            added(counters.rejections, last.rejections),
        ) {
            (Some(handshakes), Some(rejections)) => HandshakeCounters { handshakes, rejections },
            _ => {
                self.all.clear();
                self.rejections.clear();
                counters
            }
        };
        let now = Instant::now();
        self.all.add(to_f32(added.handshakes), now);
        self.rejections.add(to_f32(added.rejections), now);
    }
}

/// Converts a count, capped at 65,535: no enclave has more handshakes in one interval.
fn to_f32(count: u64) -> f32 {
    f32::from(u16::try_from(count).unwrap_or(u16::MAX))
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn counters(handshakes: u64, rejections: u64) -> HandshakeCounters {
        HandshakeCounters { handshakes, rejections }
    }

    #[tokio::test(start_paused = true)]
    async fn share_counts_recent_handshakes_only() {
        let handshakes = RecentHandshakes::new();
        assert_eq!(handshakes.rejected_share(), None);
        // Handshakes before the first reading are not recent.
        handshakes.record(counters(1000, 1000));
        assert_eq!(handshakes.rejected_share(), Some(0.0));
        handshakes.record(counters(1010, 1010));
        assert_eq!(handshakes.rejected_share(), Some(1.0));
        advance(10 * HALF_LIFE).await;
        handshakes.record(counters(1020, 1010));
        assert!(handshakes.rejected_share().unwrap() < 0.01);
    }

    #[tokio::test(start_paused = true)]
    async fn counters_of_a_restarted_enclave_reset_the_window() {
        let handshakes = RecentHandshakes::new();
        handshakes.record(counters(0, 0));
        handshakes.record(counters(100, 0));
        handshakes.record(counters(8, 6));
        assert_eq!(handshakes.rejected_share(), Some(0.75));
    }
}
