//! A detector of pauses of this process. During a pause, the process does not run, because a signal stopped
//! the process or because its machine was paused.
//!
//! Time limits continue to run during a pause. After the pause, all timers that expired in the meantime
//! fire at once. So code that waits with a time limit queries the pause detector before it reports a
//! timeout.
//!
//! A thread records a beat 20 times a second. A long gap between two beats is a pause. After a pause, other
//! threads may run before the next beat is recorded. These threads detect the pause from the time since the
//! last beat.
//!
//! The detector does not detect a pause that CLOCK_MONOTONIC does not count. Such a pause does not make
//! timers fire early.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Clock, SystemClock};

/// Interval between two beats.
#[cfg(not(test))]
const BEAT_INTERVAL: Duration = Duration::from_millis(50);

/// Lower bound of a pause: a longer gap between two beats is a pause. A busy machine does not skip five
/// beats in a row, so load alone does not cause a longer gap. The value is below the default of every
/// deadline.
const MIN_PAUSE: Duration = Duration::from_millis(250);

/// Lower bound of a long pause: a longer gap between two beats is a long pause. After a long pause, the
/// time is not trusted until the clock is synchronized (`trusted.rs`). The value equals the maximum
/// duration of an NSM call for a document.
pub(super) const MIN_LONG_PAUSE: Duration = Duration::from_secs(1);

/// The value before the first beat or pause.
const NO_BEAT: u64 = u64::MAX;

/// A detector of pauses of this process. Times are milliseconds of [`Clock::monotonic`].
#[derive(Debug)]
pub(crate) struct PauseDetector {
    /// Time of the last beat.
    last_beat: AtomicU64,
    /// Identifier of the last pause that the thread recorded.
    last_pause: AtomicU64,
    /// End of the last pause that the thread recorded.
    resumed: AtomicU64,
    /// Identifier of the last long pause that the thread recorded.
    last_long_pause: AtomicU64,
}

/// The identifier of a pause: the time of the last beat before the pause, in milliseconds. If two reads
/// return equal identifiers, no new pause happened between the reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PauseId(u64);

impl PauseDetector {
    const fn new() -> Self {
        Self {
            last_beat: AtomicU64::new(NO_BEAT),
            last_pause: AtomicU64::new(NO_BEAT),
            resumed: AtomicU64::new(0),
            last_long_pause: AtomicU64::new(NO_BEAT),
        }
    }

    /// Returns the detector of this process. The first call starts its thread.
    #[cfg(not(test))]
    pub(crate) fn global() -> &'static Self {
        use std::sync::Once;
        use std::thread;

        static PAUSES: PauseDetector = PauseDetector::new();
        static STARTED: Once = Once::new();
        STARTED.call_once(|| {
            let beats = || {
                loop {
                    let gap = PAUSES.record_beat(now_ms());
                    if gap > MIN_LONG_PAUSE {
                        tracing::warn!(gap_seconds = gap.as_secs_f64(), "this process was paused");
                    }
                    thread::sleep(BEAT_INTERVAL);
                }
            };
            // Without the thread there are no beats, so no pause is detected.
            if let Err(error) =
                thread::Builder::new().name("pause-detector".to_owned()).spawn(beats)
            {
                tracing::error!(
                    "cannot start the thread that detects pauses of this process: {error}"
                );
            }
        });
        &PAUSES
    }

    /// Records a beat, and returns the time since the previous one.
    fn record_beat(&self, now_ms: u64) -> Duration {
        let before = self.last_beat.load(Ordering::Relaxed);
        let gap = elapsed_since(before, now_ms);
        if gap > MIN_PAUSE {
            self.resumed.store(now_ms, Ordering::Release);
            self.last_pause.store(before, Ordering::Release);
        }
        if gap > MIN_LONG_PAUSE {
            self.last_long_pause.store(before, Ordering::Release);
        }
        // The beat is stored last. Until then, other threads detect the same pause, with the same
        // identifier, from the gap itself.
        self.last_beat.store(now_ms, Ordering::Release);
        gap
    }

    /// Returns the last pause that the thread recorded. A pause that has just ended may be missing. At the
    /// start of a wait, a missing pause is harmless: the limit of the wait then only restarts once more.
    pub(crate) fn last_noticed(&self) -> PauseId {
        PauseId(self.last_pause.load(Ordering::Acquire))
    }

    /// Returns the last pause, even if that pause has just ended.
    pub(crate) fn last(&self) -> PauseId {
        self.last_at(now_ms())
    }

    fn last_at(&self, now_ms: u64) -> PauseId {
        let beat = self.last_beat.load(Ordering::Acquire);
        match elapsed_since(beat, now_ms) > MIN_PAUSE {
            true => PauseId(beat),
            false => self.last_noticed(),
        }
    }

    /// Returns the last long pause, even if that pause has just ended.
    pub(crate) fn last_long(&self) -> PauseId {
        self.last_long_at(now_ms())
    }

    fn last_long_at(&self, now_ms: u64) -> PauseId {
        let beat = self.last_beat.load(Ordering::Acquire);
        match elapsed_since(beat, now_ms) > MIN_LONG_PAUSE {
            true => PauseId(beat),
            false => PauseId(self.last_long_pause.load(Ordering::Acquire)),
        }
    }

    /// Returns `start`, or the end of the last pause if that is later. From this time on, an operation that
    /// began at `start` has run without a pause.
    pub(crate) fn effective_start(&self, start: Instant) -> Instant {
        let (now, now_ms) = (Instant::now(), now_ms());
        let resumed = self.resumed_at(now_ms);
        let ago = resumed.map(|resumed| Duration::from_millis(now_ms.saturating_sub(resumed)));
        ago.and_then(|ago| now.checked_sub(ago)).map_or(start, |resumed| resumed.max(start))
    }

    /// Returns the end of the last pause.
    fn resumed_at(&self, now_ms: u64) -> Option<u64> {
        if elapsed_since(self.last_beat.load(Ordering::Acquire), now_ms) > MIN_PAUSE {
            return Some(now_ms);
        }
        (self.last_noticed() != PauseId(NO_BEAT)).then(|| self.resumed.load(Ordering::Acquire))
    }
}

fn elapsed_since(beat: u64, now_ms: u64) -> Duration {
    Duration::from_millis(now_ms.saturating_sub(beat))
}

fn now_ms() -> u64 {
    u64::try_from(SystemClock.monotonic().as_millis()).unwrap_or(NO_BEAT)
}

#[cfg(test)]
impl PauseDetector {
    /// Returns the detector of the calling thread, on which tests simulate pauses.
    pub(crate) fn global() -> &'static Self {
        thread_local! {
            static PAUSES: &'static PauseDetector = Box::leak(Box::new(PauseDetector::new()));
        }
        PAUSES.with(|pauses| *pauses)
    }

    /// Simulates a long pause that has just ended.
    pub(crate) fn simulate_pause(&self) {
        self.resumed.store(now_ms(), Ordering::Release);
        self.last_pause.fetch_add(1, Ordering::Release);
        self.last_long_pause.fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a detector with regular beats until `until_ms`.
    fn beating_until(until_ms: u64) -> PauseDetector {
        let pauses = PauseDetector::new();
        (0..=until_ms / 50).for_each(|number| _ = pauses.record_beat(50 * number));
        pauses
    }

    const NO_PAUSE: PauseId = PauseId(NO_BEAT);

    #[test]
    fn regular_beats_are_no_pause() {
        let pauses = beating_until(10_000);
        assert_eq!((pauses.last_at(10_250), pauses.last_long_at(10_250)), (NO_PAUSE, NO_PAUSE));
        assert_eq!(pauses.resumed_at(10_250), None);
    }

    #[test]
    fn pause_has_the_same_id_before_and_after_the_next_beat() {
        let pauses = beating_until(1000);
        let first = PauseId(1000);
        assert_eq!((pauses.last_at(1251), pauses.last_long_at(1251)), (first, NO_PAUSE));
        assert_eq!((pauses.last_at(2001), pauses.last_long_at(2001)), (first, first));
        assert_eq!(pauses.last_noticed(), NO_PAUSE);
        pauses.record_beat(2001);
        assert_eq!((pauses.last_at(2001), pauses.last_long_at(2001)), (first, first));
        assert_eq!(pauses.last_noticed(), first);
        pauses.record_beat(2252);
        assert_eq!((pauses.last_at(2252), pauses.last_long_at(2252)), (PauseId(2001), first));
    }

    #[test]
    fn returns_end_of_last_pause_before_and_after_next_beat() {
        let pauses = beating_until(1000);
        assert_eq!(pauses.resumed_at(600_000), Some(600_000));
        pauses.record_beat(600_001);
        assert_eq!(pauses.resumed_at(600_040), Some(600_001));
    }

    #[test]
    fn effective_start_moves_only_for_starts_before_the_pause() {
        let pauses = PauseDetector::new();
        let now = Instant::now();
        let Some(start) = now.checked_sub(Duration::from_secs(60)) else { return };
        assert_eq!(pauses.effective_start(start), start);
        pauses.simulate_pause();
        // The detector counts in milliseconds.
        assert!(pauses.effective_start(start) + Duration::from_millis(1) >= now);
        assert_eq!(pauses.effective_start(now + MIN_PAUSE), now + MIN_PAUSE);
    }

    #[test]
    fn missing_beats_are_no_pause() {
        let pauses = PauseDetector::new();
        assert_eq!(
            (pauses.last_at(1_000_000), pauses.last_long_at(1_000_000)),
            (NO_PAUSE, NO_PAUSE)
        );
    }
}
