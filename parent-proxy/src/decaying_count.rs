//! An exponentially decaying sum.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

/// Length of a tick, the time unit of a [`DecayingCount`], in milliseconds. 32 bits of ticks last 13 years.
const TICK_MILLIS: u128 = 100;

/// An exponentially decaying sum. The decay is computed when the sum is read or changed, so no timer is
/// needed.
///
/// One atomic word holds two values: the time of the last change, in ticks since `origin`, and the sum at
/// that time.
#[derive(Debug)]
pub(crate) struct DecayingCount {
    origin: Instant,
    /// Half-life in ticks.
    half_life: f32,
    time_and_sum: AtomicU64,
}

impl DecayingCount {
    /// Creates an empty sum that halves every `half_life`.
    pub(crate) fn new(half_life: Duration) -> Self {
        let ticks = u16::try_from(half_life.as_millis() / TICK_MILLIS).unwrap_or(u16::MAX);
        Self {
            origin: Instant::now(),
            half_life: f32::from(ticks.max(1)),
            time_and_sum: AtomicU64::new(0),
        }
    }

    /// Adds `amount` at time `now`.
    pub(crate) fn add(&self, amount: f32, now: Instant) {
        let tick = self.tick(now);
        let add = |word| {
            let (time, sum) = unpack(word);
            Some(pack(tick.max(time), self.decayed(sum, time, tick) + amount))
        };
        // Never fails: `add` always returns `Some`.
        let _ = self.time_and_sum.fetch_update(Relaxed, Relaxed, add);
    }

    /// Resets the sum to 0.
    pub(crate) fn clear(&self) {
        self.time_and_sum.store(0, Relaxed);
    }

    /// Returns the sum at time `now`.
    pub(crate) fn at(&self, now: Instant) -> f64 {
        let (time, sum) = unpack(self.time_and_sum.load(Relaxed));
        f64::from(self.decayed(sum, time, self.tick(now)))
    }

    /// Returns the part of `amount` that is left at `now` if `amount` was added at `since`.
    pub(crate) fn decayed_since(&self, amount: f32, since: Instant, now: Instant) -> f32 {
        self.decayed(amount, self.tick(since), self.tick(now))
    }

    /// Returns the part of `sum` that is left after the ticks between `from` and `to`.
    fn decayed(&self, sum: f32, from: u32, to: u32) -> f32 {
        // All half-lives are seconds, so nothing is left after 65,535 ticks (109 minutes).
        let ticks = u16::try_from(to.saturating_sub(from)).unwrap_or(u16::MAX);
        sum * (-f32::from(ticks) / self.half_life).exp2()
    }

    /// Returns `now` in ticks since `origin`.
    fn tick(&self, now: Instant) -> u32 {
        let elapsed = now.saturating_duration_since(self.origin);
        u32::try_from(elapsed.as_millis() / TICK_MILLIS).unwrap_or(u32::MAX)
    }
}

/// Packs a time in ticks and a sum into one word.
fn pack(time: u32, sum: f32) -> u64 {
    (u64::from(time) << 32) | u64::from(sum.to_bits())
}

fn unpack(word: u64) -> (u32, f32) {
    let half = |word| u32::try_from(word & u64::from(u32::MAX)).unwrap_or_default();
    (half(word >> 32), f32::from_bits(half(word)))
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn is_near(value: f64, expected: f64) -> bool {
        (value - expected).abs() < 0.01
    }

    #[tokio::test(start_paused = true)]
    async fn decaying_count_halves_every_half_life() {
        let count = DecayingCount::new(Duration::from_secs(10));
        count.add(1.0, Instant::now());
        count.add(3.0, Instant::now());
        assert!(is_near(count.at(Instant::now()), 4.0));
        advance(Duration::from_secs(10)).await;
        assert!(is_near(count.at(Instant::now()), 2.0));
        count.add(2.0, Instant::now());
        advance(Duration::from_secs(20)).await;
        assert!(is_near(count.at(Instant::now()), 1.0));
        // Many small steps decay as much as one large step.
        for _ in 0..100 {
            advance(Duration::from_millis(100)).await;
            count.add(0.0, Instant::now());
        }
        assert!(is_near(count.at(Instant::now()), 0.5));
        advance(Duration::from_secs(1_000_000)).await;
        assert!(is_near(count.at(Instant::now()), 0.0));
    }
}
