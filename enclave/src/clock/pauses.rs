//! Notices that this process did not run for a while: a signal stopped it, or its machine was paused.
//!
//! All timers that ended meanwhile fire at once, although nothing had a chance to happen. So their owners ask
//! here before they take time that passed for time that was given.
//!
//! A thread beats 20 times a second, and a gap between two beats is a pause. After a pause all threads run
//! again in no order: whoever asks before the next beat finds the gap since the last one. A pause that
//! CLOCK_MONOTONIC does not count is not noticed, and ends no timer early either.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Clock, SystemClock};

/// From one beat to the next.
#[cfg(not(test))]
const BEAT: Duration = Duration::from_millis(50);

/// A longer gap is a pause: five beats, which a busy machine does not leave out. It is below the default of
/// every deadline.
const PAUSE: Duration = Duration::from_millis(250);

/// A longer gap puts the time itself in doubt, as an attestation document does that takes longer.
pub(super) const LONG_PAUSE: Duration = Duration::from_secs(1);

/// No beat yet, and no pause.
const NEVER: u64 = u64::MAX;

/// The pauses of this process. Times are milliseconds of [`Clock::monotonic`].
#[derive(Debug)]
pub(crate) struct Pauses {
    /// The last beat.
    beat: AtomicU64,
    /// The last pause that the thread has noticed, as the beat before it.
    last: AtomicU64,
    /// The end of that one.
    resumed: AtomicU64,
    /// The last long one, as the beat before it.
    last_long: AtomicU64,
}

/// Which pause was the last. Two are equal if there was none between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PauseId(u64);

impl Pauses {
    const fn new() -> Self {
        Self {
            beat: AtomicU64::new(NEVER),
            last: AtomicU64::new(NEVER),
            resumed: AtomicU64::new(0),
            last_long: AtomicU64::new(NEVER),
        }
    }

    /// Returns those of this process, for which it starts the thread when first asked.
    #[cfg(not(test))]
    pub(crate) fn of_process() -> &'static Self {
        use std::sync::Once;
        use std::thread;

        static PAUSES: Pauses = Pauses::new();
        static STARTED: Once = Once::new();
        STARTED.call_once(|| {
            let beats = || {
                loop {
                    let gap = PAUSES.beat(now_ms());
                    if gap > LONG_PAUSE {
                        tracing::warn!(?gap, "this process was paused");
                    }
                    thread::sleep(BEAT);
                }
            };
            // Without the thread there is never a beat, and never a pause.
            if let Err(error) = thread::Builder::new().name("pulse".to_owned()).spawn(beats) {
                tracing::error!("pauses of this process will not be noticed: {error}");
            }
        });
        &PAUSES
    }

    /// Records a beat, and returns the time since the one before.
    fn beat(&self, now_ms: u64) -> Duration {
        let before = self.beat.load(Ordering::Relaxed);
        let gap = since(before, now_ms);
        if gap > PAUSE {
            self.resumed.store(now_ms, Ordering::Release);
            self.last.store(before, Ordering::Release);
        }
        if gap > LONG_PAUSE {
            self.last_long.store(before, Ordering::Release);
        }
        // Last: until then the gap itself tells of the pause, under the same identity.
        self.beat.store(now_ms, Ordering::Release);
        gap
    }

    /// Returns the last pause that the thread has noticed. The very last may be missing for a moment, which
    /// does no harm at the beginning of a wait.
    pub(crate) fn noticed(&self) -> PauseId {
        PauseId(self.last.load(Ordering::Acquire))
    }

    /// Returns the last pause, which may have ended just now.
    pub(crate) fn last(&self) -> PauseId {
        self.last_at(now_ms())
    }

    fn last_at(&self, now_ms: u64) -> PauseId {
        let beat = self.beat.load(Ordering::Acquire);
        match since(beat, now_ms) > PAUSE {
            true => PauseId(beat),
            false => self.noticed(),
        }
    }

    /// Returns the last pause that puts the time in doubt, which may have ended just now.
    pub(crate) fn last_long(&self) -> PauseId {
        self.last_long_at(now_ms())
    }

    fn last_long_at(&self, now_ms: u64) -> PauseId {
        let beat = self.beat.load(Ordering::Acquire);
        match since(beat, now_ms) > LONG_PAUSE {
            true => PauseId(beat),
            false => PauseId(self.last_long.load(Ordering::Acquire)),
        }
    }

    /// Returns since when what began at `start` has been under way without a pause.
    pub(crate) fn restart(&self, start: Instant) -> Instant {
        let (now, now_ms) = (Instant::now(), now_ms());
        let resumed = self.resumed_at(now_ms);
        let ago = resumed.map(|resumed| Duration::from_millis(now_ms.saturating_sub(resumed)));
        ago.and_then(|ago| now.checked_sub(ago)).map_or(start, |resumed| resumed.max(start))
    }

    /// The end of the last pause.
    fn resumed_at(&self, now_ms: u64) -> Option<u64> {
        if since(self.beat.load(Ordering::Acquire), now_ms) > PAUSE {
            return Some(now_ms);
        }
        (self.noticed() != PauseId(NEVER)).then(|| self.resumed.load(Ordering::Acquire))
    }
}

fn since(beat: u64, now_ms: u64) -> Duration {
    Duration::from_millis(now_ms.saturating_sub(beat))
}

fn now_ms() -> u64 {
    u64::try_from(SystemClock.monotonic().as_millis()).unwrap_or(NEVER)
}

#[cfg(test)]
impl Pauses {
    /// Returns those of the calling thread, which a test makes up.
    pub(crate) fn of_process() -> &'static Self {
        thread_local! {
            static PAUSES: &'static Pauses = Box::leak(Box::new(Pauses::new()));
        }
        PAUSES.with(|pauses| *pauses)
    }

    /// Makes up a long pause that has just ended.
    pub(crate) fn make_up(&self) {
        self.resumed.store(now_ms(), Ordering::Release);
        self.last.fetch_add(1, Ordering::Release);
        self.last_long.fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that beats as it should until `until_ms`.
    fn beating_until(until_ms: u64) -> Pauses {
        let pauses = Pauses::new();
        (0..=until_ms / 50).for_each(|number| _ = pauses.beat(50 * number));
        pauses
    }

    const NONE: PauseId = PauseId(NEVER);

    #[test]
    fn there_is_no_pause_while_the_beat_is_regular() {
        let pauses = beating_until(10_000);
        assert_eq!((pauses.last_at(10_250), pauses.last_long_at(10_250)), (NONE, NONE));
        assert_eq!(pauses.resumed_at(10_250), None);
    }

    #[test]
    fn a_pause_is_the_same_before_and_after_the_beat_that_ends_it() {
        let pauses = beating_until(1000);
        let first = PauseId(1000);
        assert_eq!((pauses.last_at(1251), pauses.last_long_at(1251)), (first, NONE));
        assert_eq!((pauses.last_at(2001), pauses.last_long_at(2001)), (first, first));
        assert_eq!(pauses.noticed(), NONE);
        pauses.beat(2001);
        assert_eq!((pauses.last_at(2001), pauses.last_long_at(2001)), (first, first));
        assert_eq!(pauses.noticed(), first);
        pauses.beat(2252);
        assert_eq!((pauses.last_at(2252), pauses.last_long_at(2252)), (PauseId(2001), first));
    }

    #[test]
    fn knows_the_end_of_the_last_pause_before_and_after_the_beat() {
        let pauses = beating_until(1000);
        assert_eq!(pauses.resumed_at(600_000), Some(600_000));
        pauses.beat(600_001);
        assert_eq!(pauses.resumed_at(600_040), Some(600_001));
    }

    #[test]
    fn restarts_what_began_before_the_last_pause_and_nothing_else() {
        let pauses = Pauses::new();
        let now = Instant::now();
        let Some(start) = now.checked_sub(Duration::from_secs(60)) else { return };
        assert_eq!(pauses.restart(start), start);
        pauses.make_up();
        // Milliseconds are exact enough.
        assert!(pauses.restart(start) + Duration::from_millis(1) >= now);
        assert_eq!(pauses.restart(now + PAUSE), now + PAUSE);
    }

    #[test]
    fn there_is_no_pause_without_a_beat() {
        let pauses = Pauses::new();
        assert_eq!((pauses.last_at(1_000_000), pauses.last_long_at(1_000_000)), (NONE, NONE));
    }
}
