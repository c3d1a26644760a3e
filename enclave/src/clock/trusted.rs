//! Time as the NSM has it: what it last signed, and what has passed since.
//!
//! Nothing disciplines an enclave's system clock, and the parent must not. The hypervisor's time is
//! in every attestation document, so one of our own is asked for again and again; between two, the
//! processor's counter tells how much time passed. What the system's clock says is compared, and
//! never believed.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use shared::time::UnixMillis;
use thiserror::Error;

use super::Clock;

/// How long after an anchoring the next is due: there is time to try again before
/// [`MAX_ANCHOR_AGE`].
const ANCHOR_INTERVAL: Duration = Duration::from_secs(30);

/// How old an anchor may be for the time to be judged by.
const MAX_ANCHOR_AGE: Duration = Duration::from_secs(60);

/// How long the module may take over a document. It was signed somewhere within that time, so that
/// a document that comes late says little.
const MAX_CALL: Duration = Duration::from_secs(1);

/// By how much the system's clock may differ before somebody is told, in milliseconds.
const MAX_OFFSET_MS: i64 = 2000;

/// Monotonic time, anchored to what the NSM signs.
#[derive(Debug)]
pub(crate) struct TrustedClock<C> {
    clock: C,
    /// The NSM's time minus monotonic time, in milliseconds: one number, so that it is read whole
    /// without a lock.
    difference_ms: AtomicI64,
    /// When the NSM was last asked.
    anchored: Mutex<Instant>,
}

/// The time cannot be judged by.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the NSM has not confirmed the time for over {MAX_ANCHOR_AGE:?}")]
pub struct ClockFault;

/// Why the clock was not anchored; what it said it goes on to say.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum AnchorError<E> {
    /// There was no document.
    #[error(transparent)]
    Attest(#[from] E),
    /// It took too long.
    #[error("the NSM took {took:?} over an attestation document")]
    Slow {
        /// How long.
        took: Duration,
    },
}

/// What an anchoring found, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Anchoring {
    /// The system's clock minus the NSM's time.
    pub(crate) offset_ms: i64,
}

impl Anchoring {
    /// Whether the system's clock differs by more than it may.
    pub(crate) fn disagrees(&self) -> bool {
        self.offset_ms.unsigned_abs() > MAX_OFFSET_MS.unsigned_abs()
    }
}

impl<C: Clock> TrustedClock<C> {
    /// Anchors for the first time. `attest` has the NSM sign a document, and gives its time.
    pub(crate) fn start<E>(
        clock: C,
        attest: impl FnOnce() -> Result<UnixMillis, E>,
    ) -> Result<(Self, Anchoring), AnchorError<E>> {
        let anchored = Mutex::new(Instant::now());
        let this = Self { clock, difference_ms: AtomicI64::new(0), anchored };
        let anchoring = this.anchor(attest)?;
        Ok((this, anchoring))
    }

    /// Anchors anew.
    pub(crate) fn anchor<E>(
        &self,
        attest: impl FnOnce() -> Result<UnixMillis, E>,
    ) -> Result<Anchoring, AnchorError<E>> {
        let (start, before) = (Instant::now(), self.clock.monotonic());
        let time = attest()?;
        let (took, after) = (start.elapsed(), self.clock.monotonic());
        check_call(took)?;
        // In the middle of the call: half of what it took is the most that this can be off by.
        let difference_ms = millis(time).saturating_sub(milliseconds((before + after) / 2));
        self.difference_ms.store(difference_ms, Ordering::Relaxed);
        *self.anchored.lock().unwrap_or_else(PoisonError::into_inner) = start;
        Ok(Anchoring { offset_ms: millis(self.clock.now()).saturating_sub(millis(self.now())) })
    }

    /// Now.
    pub(crate) fn now(&self) -> UnixMillis {
        let difference_ms = self.difference_ms.load(Ordering::Relaxed);
        let now = milliseconds(self.clock.monotonic()).saturating_add(difference_ms);
        UnixMillis::new(u64::try_from(now).unwrap_or_default())
    }

    /// Whether it can be judged by.
    pub(crate) fn check(&self) -> Result<(), ClockFault> {
        self.check_at(Instant::now())
    }

    fn check_at(&self, now: Instant) -> Result<(), ClockFault> {
        match now.saturating_duration_since(self.anchored()) <= MAX_ANCHOR_AGE {
            true => Ok(()),
            false => Err(ClockFault),
        }
    }

    /// Makes its anchor too old.
    #[cfg(test)]
    pub(crate) fn expire(&self) {
        let age = MAX_ANCHOR_AGE + Duration::from_secs(1);
        let anchored = Instant::now().checked_sub(age).expect("this machine is up for longer");
        *self.anchored.lock().unwrap() = anchored;
    }

    /// When it is to be anchored anew.
    pub(crate) fn due(&self) -> Instant {
        self.anchored() + ANCHOR_INTERVAL
    }

    fn anchored(&self) -> Instant {
        *self.anchored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check_call<E>(took: Duration) -> Result<(), AnchorError<E>> {
    match took <= MAX_CALL {
        true => Ok(()),
        false => Err(AnchorError::Slow { took }),
    }
}

fn millis(time: UnixMillis) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "trusted_tests.rs"]
mod tests;
