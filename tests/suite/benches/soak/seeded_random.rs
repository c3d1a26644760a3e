//! Reproducible random numbers.

use std::env;

use enclave::clock::{Clock, SystemClock};

use crate::load::BoxError;

/// A pseudorandom generator (xorshift64*, G. Marsaglia and S. Vigna).
pub(crate) struct SeededRandom(u64);

impl SeededRandom {
    /// Creates a generator whose seed is the environment variable `SEED` or the current time. Also
    /// returns the seed, so that the caller can print it.
    pub(crate) fn new() -> Result<(Self, u64), BoxError> {
        let seed = match env::var("SEED") {
            Ok(text) if !text.is_empty() => text.parse()?,
            _ => SystemClock.now().as_millis(),
        };
        // The state must not be zero.
        Ok((Self((seed ^ 0x9e37_79b9_7f4a_7c15) | 1), seed))
    }

    /// Returns a number in `0..end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % end.max(1)
    }

    /// Returns a random element.
    pub(crate) fn one_of<'a, T>(&mut self, all: &'a [T]) -> Result<&'a T, BoxError> {
        let at = usize::try_from(self.below(u64::try_from(all.len())?))?;
        Ok(all.get(at).ok_or("the slice is empty")?)
    }
}
