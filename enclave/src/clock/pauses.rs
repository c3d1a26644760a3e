//! Notices that this process did not run for a while: a signal stopped it, or its machine was paused.
//!
//! All timers that ended meanwhile fire at once, although nothing had a chance to happen. So their owners ask
//! here before they take time that passed for time that was given.
//!
//! A thread beats 40 times a second, and a gap between two beats is a pause. After a pause all threads run
//! again in no order: whoever asks before the next beat finds the gap since the last one. A pause that
//! CLOCK_MONOTONIC does not count is not noticed, and ends no timer early either.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Clock, SystemClock};

/// From one beat to the next.
#[cfg(not(test))]
const BEAT: Duration = Duration::from_millis(25);

/// A longer gap is a pause: four beats, which a busy machine does not leave out.
const PAUSE: Duration = Duration::from_millis(100);

/// A longer gap puts the time itself in doubt, as an attestation document does that takes longer.
pub(super) const LONG_PAUSE: Duration = Duration::from_secs(1);

/// No beat yet.
const NEVER: u64 = u64::MAX;

/// The pauses of this process. Times are milliseconds of [`Clock::monotonic`].
#[derive(Debug)]
pub(crate) struct Pauses {
    /// The last beat.
    beat: AtomicU64,
    /// The end of the last pause.
    resumed: AtomicU64,
    pauses: AtomicU64,
    long_pauses: AtomicU64,
}

impl Pauses {
    const fn new() -> Self {
        Self {
            beat: AtomicU64::new(NEVER),
            resumed: AtomicU64::new(0),
            pauses: AtomicU64::new(0),
            long_pauses: AtomicU64::new(0),
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
                    PAUSES.beat(now_ms());
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

    /// Records a beat.
    fn beat(&self, now_ms: u64) {
        let gap = self.gap(now_ms);
        if gap > PAUSE {
            self.resumed.store(now_ms, Ordering::Release);
            self.pauses.fetch_add(1, Ordering::Release);
        }
        if gap > LONG_PAUSE {
            self.long_pauses.fetch_add(1, Ordering::Release);
        }
        // Last: until then the gap itself tells of the pause. That counts it twice for a moment, and
        // never not at all.
        self.beat.store(now_ms, Ordering::Release);
    }

    /// The time since the last beat.
    fn gap(&self, now_ms: u64) -> Duration {
        Duration::from_millis(now_ms.saturating_sub(self.beat.load(Ordering::Acquire)))
    }

    /// Returns how many pauses the thread has recorded, which may be one too few for a moment: for the
    /// beginning of a wait.
    pub(crate) fn recorded(&self) -> u64 {
        self.pauses.load(Ordering::Acquire)
    }

    /// Returns how many there were, with one that ended just now.
    pub(crate) fn count(&self) -> u64 {
        self.count_at(now_ms())
    }

    fn count_at(&self, now_ms: u64) -> u64 {
        let unrecorded = self.gap(now_ms) > PAUSE;
        self.recorded() + u64::from(unrecorded)
    }

    /// Returns how many put the time in doubt, with one that ended just now.
    pub(crate) fn long(&self) -> u64 {
        self.long_at(now_ms())
    }

    fn long_at(&self, now_ms: u64) -> u64 {
        let unrecorded = self.gap(now_ms) > LONG_PAUSE;
        self.long_pauses.load(Ordering::Acquire) + u64::from(unrecorded)
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
        if self.gap(now_ms) > PAUSE {
            return Some(now_ms);
        }
        (self.recorded() > 0).then(|| self.resumed.load(Ordering::Acquire))
    }
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
        self.pauses.fetch_add(1, Ordering::Release);
        self.long_pauses.fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that beats as it should until `until_ms`.
    fn beating_until(until_ms: u64) -> Pauses {
        let pauses = Pauses::new();
        (0..=until_ms / 25).for_each(|number| pauses.beat(25 * number));
        pauses
    }

    #[test]
    fn counts_no_pause_while_the_beat_is_regular() {
        let pauses = beating_until(10_000);
        assert_eq!((pauses.count_at(10_100), pauses.long_at(10_100)), (0, 0));
        assert_eq!(pauses.resumed_at(10_100), None);
    }

    #[test]
    fn counts_a_pause_before_and_after_the_beat_that_ends_it() {
        let pauses = beating_until(1000);
        assert_eq!((pauses.count_at(1101), pauses.long_at(1101)), (1, 0));
        assert_eq!((pauses.count_at(2001), pauses.long_at(2001)), (1, 1));
        pauses.beat(2001);
        assert_eq!((pauses.count_at(2001), pauses.long_at(2001)), (1, 1));
        pauses.beat(2102);
        assert_eq!((pauses.count_at(2102), pauses.long_at(2102)), (2, 1));
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
        let start = Instant::now();
        assert_eq!(pauses.restart(start), start);
        pauses.make_up();
        let (restarted, later) = (pauses.restart(start), Instant::now() + PAUSE);
        assert!(start + Duration::from_millis(1) >= restarted || restarted > start);
        assert!(restarted.elapsed() < start.elapsed() + Duration::from_millis(2));
        assert_eq!(pauses.restart(later), later);
    }

    #[test]
    fn counts_no_pause_without_a_beat() {
        let pauses = Pauses::new();
        assert_eq!((pauses.count_at(1_000_000), pauses.long_at(1_000_000)), (0, 0));
    }
}
