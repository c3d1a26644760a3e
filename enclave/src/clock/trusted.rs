//! Time as the NSM has it: what it last signed, and what has passed since.
//!
//! Nothing disciplines an enclave's system clock, and the parent must not. The hypervisor's time is
//! in every attestation document, so one of our own is asked for again and again; between two, the
//! processor's counter tells how much time passed. What the system's clock says is compared, and
//! never believed.
//!
//! After a long pause of this process the time is not judged by until the NSM has confirmed it: what counts
//! between two documents may have stood still. Requests wait for that, within bounds.

use std::pin::pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use attestation::time::UnixMillis;
use thiserror::Error;
use tokio::sync::Notify;

use super::deadline::Deadline;
use super::pause_detector::{PauseDetector, PauseId};
use super::{Clock, pause_detector};

/// How long after an anchoring the next is due: there is time to try again before
/// [`MAX_SYNC_AGE`].
const SYNC_INTERVAL: Duration = Duration::from_secs(30);

/// How old an anchor may be for the time to be judged by.
const MAX_SYNC_AGE: Duration = Duration::from_secs(60);

/// How long the module may take over a document. It was signed somewhere within that time, so that
/// a document that comes late says little.
const MAX_CALL_DURATION: Duration = pause_detector::MIN_LONG_PAUSE;

/// How long a request waits for the time to be confirmed: two calls of the module.
const CONFIRMATION_TIMEOUT: Duration = Duration::from_secs(2);

/// By how much the system's clock may differ before somebody is told, in milliseconds.
const MAX_OFFSET_MS: i64 = 2000;

/// Monotonic time, anchored to what the NSM signs.
#[derive(Debug)]
pub(crate) struct TrustedClock<C> {
    clock: C,
    /// The NSM's time minus monotonic time, in milliseconds: one number, so that it is read whole
    /// without a lock.
    offset_from_monotonic_ms: AtomicI64,
    last_sync: Mutex<LastSync>,
    pauses: &'static PauseDetector,
    /// Told whenever an anchoring has ended, however.
    sync_finished: Notify,
}

/// What is known of the last anchoring.
#[derive(Clone, Copy, Debug)]
struct LastSync {
    /// When the NSM was asked.
    at: Instant,
    /// The last long pause before that.
    pause: PauseId,
    /// The last long pause before the NSM failed to confirm the time, if it has since.
    failed: Option<PauseId>,
}

/// The time cannot be judged by.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ClockFault {
    /// The last anchoring is too long ago.
    #[error("the NSM has not confirmed the time for over {MAX_SYNC_AGE:?}")]
    Old,
    /// This process was paused since.
    #[error("the NSM has not confirmed the time since this process was paused")]
    Paused,
}

/// Why the clock was not anchored; what it said it goes on to say.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum SyncError<E> {
    /// There was no document.
    #[error(transparent)]
    Attest(#[from] E),
    /// It took too long.
    #[error("the NSM took {duration:?} for an attestation document")]
    Slow {
        /// How long.
        duration: Duration,
    },
    /// This process was paused meanwhile, which says nothing about the module.
    #[error("this process was paused during a call of the NSM")]
    Paused,
}

/// What an anchoring found, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SyncReport {
    /// The system's clock minus the NSM's time.
    pub(crate) offset_ms: i64,
}

impl SyncReport {
    /// Returns the offset in seconds.
    pub(crate) fn offset_seconds(self) -> f64 {
        let seconds = Duration::from_millis(self.offset_ms.unsigned_abs()).as_secs_f64();
        if self.offset_ms < 0 { -seconds } else { seconds }
    }

    /// Whether the system's clock differs by more than it may.
    pub(crate) fn exceeds_limit(&self) -> bool {
        self.offset_ms.unsigned_abs() > MAX_OFFSET_MS.unsigned_abs()
    }
}

impl<C: Clock> TrustedClock<C> {
    /// Anchors for the first time. `read_nsm_time` has the NSM sign a document, and gives its time.
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

    /// Anchors anew.
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
        // In the middle of the call: half of what it took is the most that this can be off by.
        let offset_from_monotonic_ms =
            signed_millis(time).saturating_sub(duration_millis((before + after) / 2));
        self.offset_from_monotonic_ms.store(offset_from_monotonic_ms, Ordering::Relaxed);
        self.set(LastSync { at: start, pause: long_pause, failed: None });
        Ok(SyncReport {
            offset_ms: signed_millis(self.clock.now()).saturating_sub(signed_millis(self.now())),
        })
    }

    /// Now.
    pub(crate) fn now(&self) -> UnixMillis {
        let offset_from_monotonic_ms = self.offset_from_monotonic_ms.load(Ordering::Relaxed);
        let now = duration_millis(self.clock.monotonic()).saturating_add(offset_from_monotonic_ms);
        UnixMillis::new(u64::try_from(now).unwrap_or_default())
    }

    /// Records that the clock was not anchored: requests no longer wait for that.
    pub(crate) fn record_sync_failure(&self) {
        self.set(LastSync { failed: Some(self.pauses.last_long()), ..self.last_sync() });
    }

    /// Whether it can be judged by.
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

    /// Waits until it can be judged by, if it cannot and the NSM may still confirm it.
    ///
    /// # Errors
    /// If the NSM has failed to, or takes too long.
    pub(crate) async fn wait_until_trusted(&self) -> Result<(), ClockFault> {
        let confirmed = async {
            loop {
                // Before the check, so that no anchoring is missed.
                let mut sync_finished = pin!(self.sync_finished.notified());
                sync_finished.as_mut().enable();
                match self.check() {
                    Err(_) if !self.has_failed() => sync_finished.await,
                    checked => return checked,
                }
            }
        };
        let deadline = Deadline::after(CONFIRMATION_TIMEOUT, self.pauses);
        deadline.bound(confirmed).await.unwrap_or_else(|_| self.check())
    }

    /// Whether the NSM was asked in vain, and this process not paused since.
    fn has_failed(&self) -> bool {
        self.last_sync().failed == Some(self.pauses.last_long())
    }

    /// Makes its anchor too old.
    #[cfg(test)]
    pub(crate) fn expire(&self) {
        let age = MAX_SYNC_AGE + Duration::from_secs(1);
        let at = Instant::now().checked_sub(age).expect("the machine has been up for longer");
        self.set(LastSync { at, ..self.last_sync() });
    }

    /// When it is to be anchored anew.
    pub(crate) fn sync_due(&self) -> Instant {
        let last_sync = self.last_sync();
        match last_sync.pause == self.pauses.last_long() {
            true => last_sync.at + SYNC_INTERVAL,
            // Since then.
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
