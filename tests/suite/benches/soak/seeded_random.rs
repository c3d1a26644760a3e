//! What is drawn, and can be drawn again.

use std::env;

use enclave::clock::{Clock, SystemClock};

use crate::load::BoxError;

/// Numbers that follow from a seed: xorshift64*, G. Marsaglia and S. Vigna.
pub(crate) struct SeededRandom(u64);

impl SeededRandom {
    /// By `SEED`, or another each time. The seed is for printing.
    pub(crate) fn new() -> Result<(Self, u64), BoxError> {
        let seed = match env::var("SEED") {
            Ok(text) if !text.is_empty() => text.parse()?,
            _ => SystemClock.now().as_millis(),
        };
        // Zero would stay zero.
        Ok((Self((seed ^ 0x9e37_79b9_7f4a_7c15) | 1), seed))
    }

    /// One of `0..end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % end.max(1)
    }

    /// One of these.
    pub(crate) fn one_of<'a, T>(&mut self, all: &'a [T]) -> Result<&'a T, BoxError> {
        let at = usize::try_from(self.below(u64::try_from(all.len())?))?;
        Ok(all.get(at).ok_or("the slice is empty")?)
    }
}
