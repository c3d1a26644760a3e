//! A clock that is synchronized with the NSM.
//!
//! No program synchronizes the system clock of an enclave. The parent instance must not set the clock,
//! because the service does not trust the parent. Each attestation document contains the hypervisor's time,
//! so the service requests a document every 30 s. Between two documents, the monotonic clock measures the
//! time.
//!
//! The service uses the system clock only for a comparison: it reports a system clock that is wrong.
//!
//! During a pause of this process, the monotonic clock may stop. So after a pause of over 1 s, the time is
//! not trusted until the next synchronization. Requests wait for that synchronization, but not longer than
//! 2 s.

use std::pin::pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use attestation::time::{HumanTimeout, UnixMillis};
use thiserror::Error;
use tokio::sync::Notify;

use super::deadline::Deadline;
use super::pause_detector::{PauseDetector, PauseId};
use super::{Clock, pause_detector};

/// Interval between synchronizations. The interval is shorter than [`MAX_SYNC_AGE`], which leaves time for
/// retries.
const SYNC_INTERVAL: Duration = Duration::from_secs(30);

/// Maximum age of a synchronization for the time to be trusted.
const MAX_SYNC_AGE: Duration = Duration::from_secs(60);

/// Longest time that the NSM may take for a document. The NSM reads the time at an unknown moment of the
/// call. So a longer call makes the timestamp too imprecise.
const MAX_CALL_DURATION: Duration = pause_detector::MIN_LONG_PAUSE;

/// Longest time that a request waits for a synchronization: twice the time of [`MAX_CALL_DURATION`].
const SYNC_WAIT_TIMEOUT: Duration = Duration::from_secs(2);

/// Maximum offset of the system clock that is not reported, in milliseconds.
const MAX_OFFSET_MS: i64 = 2000;

/// A clock that combines the NSM's time with the monotonic clock.
#[derive(Debug)]
pub(crate) struct TrustedClock<C> {
    clock: C,
    /// NSM time minus monotonic time, in milliseconds. The number is atomic, so that readers need no lock.
    offset_from_monotonic_ms: AtomicI64,
    last_sync: Mutex<LastSync>,
    pauses: &'static PauseDetector,
    /// Notified after each synchronization, successful or not.
    sync_finished: Notify,
}

/// The last successful synchronization, and the last failure after it.
#[derive(Clone, Copy, Debug)]
struct LastSync {
    /// Start of the last successful synchronization.
    at: Instant,
    /// Last long pause before the time `at`.
    pause: PauseId,
    /// Last long pause before a later synchronization failed. `None` if no later synchronization failed.
    failed: Option<PauseId>,
}

/// The reason why the time is not trusted.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ClockFault {
    /// The last synchronization is too old.
    #[error("the NSM has not confirmed the time for over {}", HumanTimeout(MAX_SYNC_AGE))]
    Old,
    /// This process was paused since the last synchronization.
    #[error("the NSM has not confirmed the time since this process was paused")]
    Paused,
}

/// The reason why a synchronization failed. The clock then continues from the last successful
/// synchronization.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum SyncError<E> {
    /// The NSM returned no document.
    #[error(transparent)]
    Attest(#[from] E),
    /// The NSM took too long.
    #[error("the NSM took {} for an attestation document", HumanTimeout(*duration))]
    Slow {
        /// Duration of the call.
        duration: Duration,
    },
    /// This process was paused during the call. So a long duration does not show that the NSM is slow.
    #[error("this process was paused during a call of the NSM")]
    Paused,
}

/// The result of a synchronization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SyncReport {
    /// System time minus NSM time, in milliseconds.
    pub(crate) offset_ms: i64,
}

impl SyncReport {
    /// Returns the offset in seconds.
    pub(crate) fn offset_seconds(self) -> f64 {
        let seconds = Duration::from_millis(self.offset_ms.unsigned_abs()).as_secs_f64();
        if self.offset_ms < 0 { -seconds } else { seconds }
    }

    /// Returns whether the offset of the system clock exceeds the limit.
    pub(crate) fn exceeds_limit(&self) -> bool {
        self.offset_ms.unsigned_abs() > MAX_OFFSET_MS.unsigned_abs()
    }
}

impl<C: Clock> TrustedClock<C> {
    /// Creates a clock and synchronizes it. `read_nsm_time` returns the timestamp of a new document.
    pub(crate) fn start<E>(
        clock: C,
        pauses: &'static PauseDetector,
        read_nsm_time: impl FnOnce() -> Result<UnixMillis, E>,
    ) -> Result<(Self, SyncReport), SyncError<E>> {
        let last_sync = LastSync { at: Instant::now(), pause: pauses.last_long(), failed: None };
        let this = Self {
            clock,
            offset_from_monotonic_ms: AtomicI64::new(0),
            last_sync: Mutex::new(last_sync),
            pauses,
            sync_finished: Notify::new(),
        };
        let sync = this.synchronize(read_nsm_time)?;
        Ok((this, sync))
    }

    /// Synchronizes the clock. `read_nsm_time` returns the timestamp of a new document.
    pub(crate) fn synchronize<E>(
        &self,
        read_nsm_time: impl FnOnce() -> Result<UnixMillis, E>,
    ) -> Result<SyncReport, SyncError<E>> {
        let (pause, long_pause) = (self.pauses.last(), self.pauses.last_long());
        let (start, before) = (Instant::now(), self.clock.monotonic());
        let time = read_nsm_time()?;
        let (duration, after) = (start.elapsed(), self.clock.monotonic());
        check_call_duration(duration).map_err(|slow| match self.pauses.last() == pause {
            true => slow,
            false => SyncError::Paused,
        })?;
        // The timestamp is assigned to the middle of the call. So the error is at most half of the duration
        // of the call.
        let offset_from_monotonic_ms =
            signed_millis(time).saturating_sub(duration_millis((before + after) / 2));
        self.offset_from_monotonic_ms.store(offset_from_monotonic_ms, Ordering::Relaxed);
        self.set(LastSync { at: start, pause: long_pause, failed: None });
        Ok(SyncReport {
            offset_ms: signed_millis(self.clock.now()).saturating_sub(signed_millis(self.now())),
        })
    }

    /// Returns the current time.
    pub(crate) fn now(&self) -> UnixMillis {
        let offset_from_monotonic_ms = self.offset_from_monotonic_ms.load(Ordering::Relaxed);
        let now = duration_millis(self.clock.monotonic()).saturating_add(offset_from_monotonic_ms);
        UnixMillis::new(u64::try_from(now).unwrap_or_default())
    }

    /// Records that a synchronization failed, so that requests stop waiting for a synchronization.
    pub(crate) fn record_sync_failure(&self) {
        self.set(LastSync { failed: Some(self.pauses.last_long()), ..self.last_sync() });
    }

    /// Checks that the time is trusted.
    pub(crate) fn check(&self) -> Result<(), ClockFault> {
        self.check_at(Instant::now())
    }

    fn check_at(&self, now: Instant) -> Result<(), ClockFault> {
        let last_sync = self.last_sync();
        if last_sync.pause != self.pauses.last_long() {
            return Err(ClockFault::Paused);
        }
        match now.saturating_duration_since(last_sync.at) <= MAX_SYNC_AGE {
            true => Ok(()),
            false => Err(ClockFault::Old),
        }
    }

    /// Waits until the time is trusted. Does not wait if the last synchronization failed and no long pause
    /// followed.
    ///
    /// # Errors
    /// Fails if the time is not trusted and the synchronization fails or takes too long.
    pub(crate) async fn wait_until_trusted(&self) -> Result<(), ClockFault> {
        let trusted = async {
            loop {
                // The notification is registered before the check, so that none is missed.
                let mut sync_finished = pin!(self.sync_finished.notified());
                sync_finished.as_mut().enable();
                match self.check() {
                    Err(_) if !self.has_failed() => sync_finished.await,
                    checked => return checked,
                }
            }
        };
        let deadline = Deadline::after(SYNC_WAIT_TIMEOUT, self.pauses);
        deadline.bound(trusted).await.unwrap_or_else(|_| self.check())
    }

    /// Returns whether the last synchronization failed and no long pause of this process followed.
    fn has_failed(&self) -> bool {
        self.last_sync().failed == Some(self.pauses.last_long())
    }

    /// Makes the last synchronization too old.
    #[cfg(test)]
    pub(crate) fn expire(&self) {
        let age = MAX_SYNC_AGE + Duration::from_secs(1);
        let at = Instant::now().checked_sub(age).expect("the machine has been up for longer");
        self.set(LastSync { at, ..self.last_sync() });
    }

    /// Returns the time when the next synchronization is due.
    pub(crate) fn sync_due(&self) -> Instant {
        let last_sync = self.last_sync();
        match last_sync.pause == self.pauses.last_long() {
            true => last_sync.at + SYNC_INTERVAL,
            // A pause makes the synchronization due at once, so this returns a time in the past.
            false => last_sync.at,
        }
    }

    fn set(&self, last_sync: LastSync) {
        *self.last_sync.lock().unwrap_or_else(PoisonError::into_inner) = last_sync;
        self.sync_finished.notify_waiters();
    }

    fn last_sync(&self) -> LastSync {
        *self.last_sync.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check_call_duration<E>(duration: Duration) -> Result<(), SyncError<E>> {
    match duration <= MAX_CALL_DURATION {
        true => Ok(()),
        false => Err(SyncError::Slow { duration }),
    }
}

fn signed_millis(time: UnixMillis) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn duration_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "trusted_tests.rs"]
mod tests;
