//! Balancing: which upstream gets the next connection.
//!
//! The upstream with the fewest open connections comes first. That alone would prefer an enclave whose
//! clients leave at once, for example because they do not know its certificate authority: its connections
//! never count. So recent connections that are gone count as well, with a weight that halves every
//! [`HALF_LIFE`] from the moment they began. An upstream that has more of them than its share of all
//! recent connections comes behind those that have not. Hence an enclave whose clients leave at once gets
//! its share and no more, however many connections the others hold, while a new enclave, whose clients
//! stay, is filled as before.

use std::cmp::Ordering;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

/// Time in which a recent connection loses half of its weight. SDKs try again within seconds, and must find
/// that the first attempt still counts; an enclave that has recovered must not wait for minutes. Finagle's
/// and linkerd's balancers let a latency decay over 10 s too.
const HALF_LIFE: Duration = Duration::from_secs(10);

/// Recent connections by which an upstream may exceed its share: in a relay that is almost idle the little
/// weight that old connections have left must decide nothing.
const SLACK: f64 = 0.5;

/// Length of a tick, the unit of time of a [`DecayingCount`], in milliseconds. 32 bits of ticks last for
/// 13 years.
const TICK_MILLIS: u128 = 100;

/// An exponentially decaying sum. It is decayed when it is read or added to, so that it needs no timer.
///
/// The time of the last change, in ticks since `origin`, and the sum at that time are in one atomic word.
#[derive(Debug)]
pub(crate) struct DecayingCount {
    origin: Instant,
    /// In ticks.
    half_life: f32,
    time_and_sum: AtomicU64,
}

impl DecayingCount {
    /// Returns an empty sum that halves every `half_life`.
    pub(crate) fn new(half_life: Duration) -> Self {
        let ticks = u16::try_from(half_life.as_millis() / TICK_MILLIS).unwrap_or(u16::MAX);
        Self {
            origin: Instant::now(),
            half_life: f32::from(ticks.max(1)),
            time_and_sum: AtomicU64::new(0),
        }
    }

    /// Adds `amount` at the time `now`.
    pub(crate) fn add(&self, amount: f32, now: Instant) {
        let tick = self.tick(now);
        let add = |word| {
            let (time, sum) = unpack(word);
            Some(pack(tick.max(time), self.decayed(sum, time, tick) + amount))
        };
        // It never fails, as `add` always returns a value.
        let _ = self.time_and_sum.fetch_update(Relaxed, Relaxed, add);
    }

    /// Forgets everything that was added.
    pub(crate) fn clear(&self) {
        self.time_and_sum.store(0, Relaxed);
    }

    /// Returns the sum at the time `now`.
    pub(crate) fn at(&self, now: Instant) -> f64 {
        let (time, sum) = unpack(self.time_and_sum.load(Relaxed));
        f64::from(self.decayed(sum, time, self.tick(now)))
    }

    fn decayed(&self, sum: f32, from: u32, to: u32) -> f32 {
        // After 65,535 ticks nothing is left, at any half-life of seconds.
        let ticks = u16::try_from(to.saturating_sub(from)).unwrap_or(u16::MAX);
        sum * (-f32::from(ticks) / self.half_life).exp2()
    }

    fn tick(&self, now: Instant) -> u32 {
        let elapsed = now.saturating_duration_since(self.origin);
        u32::try_from(elapsed.as_millis() / TICK_MILLIS).unwrap_or(u32::MAX)
    }
}

fn pack(time: u32, sum: f32) -> u64 {
    (u64::from(time) << 32) | u64::from(sum.to_bits())
}

fn unpack(word: u64) -> (u32, f32) {
    let half = |word| u32::try_from(word & u64::from(u32::MAX)).unwrap_or_default();
    (half(word >> 32), f32::from_bits(half(word)))
}

/// The recent connections of one upstream.
#[derive(Debug)]
pub(crate) struct Recent {
    begun: DecayingCount,
    /// Those of `begun` that have ended, with the weight that they have left.
    gone: DecayingCount,
}

impl Recent {
    pub(crate) fn new() -> Self {
        Self { begun: DecayingCount::new(HALF_LIFE), gone: DecayingCount::new(HALF_LIFE) }
    }

    /// Counts a connection that begins now, and returns the time for [`Self::end`].
    pub(crate) fn begin(&self) -> Instant {
        let now = Instant::now();
        self.begun.add(1.0, now);
        now
    }

    /// Counts the end of a connection that began at `begun`. One that has lasted counts for little: it is
    /// no sign that clients leave at once.
    pub(crate) fn end(&self, begun: Instant) {
        let now = Instant::now();
        let (from, to) = (self.gone.tick(begun), self.gone.tick(now));
        self.gone.add(self.gone.decayed(1.0, from, to), now);
    }
}

/// One upstream, as balancing sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) is_ejected: bool,
    /// Share of connections relative to other upstreams, from 0.1 to 1.
    weight: f64,
    open: f64,
    begun: f64,
    gone: f64,
}

impl Candidate {
    pub(crate) fn new(is_ejected: bool, weight: f64, open: usize, recent: &Recent) -> Self {
        let now = Instant::now();
        Self {
            is_ejected,
            weight,
            open: f64::from(u32::try_from(open).unwrap_or(u32::MAX)),
            begun: recent.begun.at(now),
            gone: recent.gone.at(now),
        }
    }
}

/// The sums over all upstreams that a share is of.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    weight: f64,
    begun: f64,
}

impl Totals {
    /// Adds up those that are not ejected: only they share the clients.
    pub(crate) fn of(candidates: impl Iterator<Item = Candidate>) -> Self {
        let add = |sum: Self, one: Candidate| Self {
            weight: sum.weight + one.weight,
            begun: sum.begun + one.begun,
        };
        candidates.filter(|one| !one.is_ejected).fold(Self::default(), add)
    }

    /// Orders two candidates: the lesser gets the connection.
    pub(crate) fn compare(&self, one: &Candidate, other: &Candidate) -> Ordering {
        one.is_ejected
            .cmp(&other.is_ejected)
            .then(self.has_more_than_its_share(one).cmp(&self.has_more_than_its_share(other)))
            .then((one.open / one.weight).total_cmp(&(other.open / other.weight)))
            .then((one.begun / one.weight).total_cmp(&(other.begun / other.weight)))
    }

    /// Whether more of the recent connections have come to it and gone than it has a share of.
    fn has_more_than_its_share(&self, one: &Candidate) -> bool {
        one.gone > self.begun * one.weight / self.weight + SLACK
    }
}

#[cfg(test)]
mod tests;
