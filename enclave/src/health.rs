//! Health tests of the output of the NSM and of HSMs, in the style of SP 800-90B section 4.
//!
//! The tests detect a source that has failed completely: a source that repeats its output, that counts, or
//! that returns one value. The tests cannot detect a weak source whose output looks random.
//!
//! Each byte of the output is one sample. The tests assume that a sample has a min-entropy of at least 6
//! bits. A source that meets this assumption fails a test at most once in 2^40 samples.
//!
//! 1. Length: a block of the NSM has exactly 256 bytes.
//! 2. Repetition count (section 4.4.1): fewer than 8 equal bytes in a row, and fewer than 8 equal
//!    differences between neighboring bytes in a row. The differences detect a source that counts.
//! 3. Adaptive proportion (section 4.4.2): in each window of 512 bytes, fewer than 35 bytes, including the
//!    first byte, equal the first byte.
//! 4. Repeated output: an output of at least 16 bytes differs from each of the last 1,024 such outputs. A
//!    good source repeats an output about once in 2^86 outputs. This test ignores shorter outputs. A source
//!    that repeats a shorter output fails test 3, because at least every fifteenth byte is equal.

use std::collections::{HashSet, VecDeque};

use attestation::crypto::{SHA_256_LENGTH, Sha256};
use nsm_device::RANDOM_BLOCK_LENGTH;
use thiserror::Error;

/// Assumed min-entropy of a byte, in bits.
#[cfg(test)]
const MIN_ENTROPY: u32 = 6;

/// Number n such that the probability of a false alarm is 2^-n.
#[cfg(test)]
const ALPHA_EXPONENT: u32 = 40;

/// Number of equal samples in a row at which the test fails: 1 + ceil(40 / 6).
const REPETITION_CUTOFF: u32 = 8;

/// Number of samples in a window of the adaptive proportion test. SP 800-90B requires 512 for samples that
/// are not single bits.
const PROPORTION_WINDOW: u16 = 512;

/// Number of samples equal to the first sample of a window at which the test fails:
/// 1 + CRITBINOM(512, 2^-6, 1 - 2^-40).
const PROPORTION_CUTOFF: u16 = 35;

/// Number of recent outputs whose digests test 4 keeps.
const REMEMBERED_OUTPUTS: usize = 1024;

/// Minimum length of an output whose digest test 4 keeps, in bytes.
const MIN_REMEMBERED_LENGTH: usize = 16;

/// Number of blocks that are tested and discarded at start-up: 1,024 samples (SP 800-90B section 4.3).
pub(crate) const START_UP_BLOCKS: usize = 4;

/// A failed health test. The service does not use the source again until it restarts.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum HealthFault {
    /// A block does not have 256 bytes.
    #[error("a call returned {length} random bytes instead of 256")]
    Length {
        /// Length of the block, in bytes.
        length: usize,
    },
    /// Too many equal samples, or equal differences, in a row.
    #[error("the repetition count test failed")]
    RepetitionCount,
    /// One sample occurs too often in a window.
    #[error("the adaptive proportion test failed")]
    AdaptiveProportion,
    /// An output equals a recent output.
    #[error("two calls returned the same bytes")]
    RepeatedOutput,
}

/// The health tests of one source. The type does not implement Debug, because it keeps output of the source
/// between calls.
pub(crate) struct HealthTests {
    bytes: RepetitionTest,
    differences: RepetitionTest,
    last: Option<u8>,
    proportion: ProportionTest,
    recent: VecDeque<Digest>,
    /// Digests of `recent` for fast look-up, because requests wait for the tests.
    recent_set: HashSet<Digest>,
}

type Digest = [u8; SHA_256_LENGTH];

impl HealthTests {
    pub(crate) fn new() -> Self {
        Self {
            bytes: RepetitionTest::default(),
            differences: RepetitionTest::default(),
            last: None,
            proportion: ProportionTest::default(),
            recent: VecDeque::with_capacity(REMEMBERED_OUTPUTS),
            recent_set: HashSet::with_capacity(REMEMBERED_OUTPUTS),
        }
    }

    /// Tests the next block of the NSM.
    pub(crate) fn check_block(&mut self, block: &[u8]) -> Result<(), HealthFault> {
        // Test 1: length.
        if block.len() != RANDOM_BLOCK_LENGTH {
            return Err(HealthFault::Length { length: block.len() });
        }
        self.check(block)
    }

    /// Tests the next output of the source, of any length.
    pub(crate) fn check(&mut self, output: &[u8]) -> Result<(), HealthFault> {
        // Test 2: repetition count.
        if self.repeats(output) {
            return Err(HealthFault::RepetitionCount);
        }
        // Test 3: adaptive proportion.
        if self.proportion.fails(output) {
            return Err(HealthFault::AdaptiveProportion);
        }
        // Test 4: repeated output.
        if output.len() < MIN_REMEMBERED_LENGTH {
            return Ok(());
        }
        self.remember(Sha256::digest(output))
    }

    /// Adds all samples of `output`, and returns whether too many samples in a row are equal. The loop has
    /// no branch per sample, because requests wait for the tests.
    fn repeats(&mut self, output: &[u8]) -> bool {
        let Self { bytes, differences, last, .. } = self;
        let mut samples = output.iter().copied();
        let Some(before) = last.or_else(|| samples.next().inspect(|&first| bytes.add(first)))
        else {
            return false;
        };
        let mut before = before;
        for sample in samples {
            bytes.add(sample);
            differences.add(sample.wrapping_sub(before));
            before = sample;
        }
        *last = Some(before);
        bytes.longest.max(differences.longest) >= REPETITION_CUTOFF
    }

    fn remember(&mut self, digest: Digest) -> Result<(), HealthFault> {
        if !self.recent_set.insert(digest) {
            return Err(HealthFault::RepeatedOutput);
        }
        if self.recent.len() == REMEMBERED_OUTPUTS
            && let Some(oldest) = self.recent.pop_front()
        {
            self.recent_set.remove(&oldest);
        }
        self.recent.push_back(digest);
        Ok(())
    }
}

/// A counter of equal samples in a row. `count` is the length of the current run, and `longest` that of the
/// longest run.
#[derive(Default)]
struct RepetitionTest {
    sample: u8,
    count: u32,
    longest: u32,
}

impl RepetitionTest {
    fn add(&mut self, sample: u8) {
        self.count = if sample == self.sample { self.count + 1 } else { 1 };
        self.sample = sample;
        self.longest = self.longest.max(self.count);
    }
}

/// A counter of the samples that equal the first sample of the current window.
#[derive(Default)]
struct ProportionTest {
    first: u8,
    count: usize,
    seen: usize,
}

impl ProportionTest {
    fn fails(&mut self, mut output: &[u8]) -> bool {
        let (window, cutoff) = (usize::from(PROPORTION_WINDOW), usize::from(PROPORTION_CUTOFF));
        while let Some(&first) = output.first() {
            if self.seen == 0 {
                *self = Self { first, count: 0, seen: 0 };
            }
            let (now, later) = output.split_at(output.len().min(window - self.seen));
            self.count += now.iter().filter(|&&sample| sample == self.first).count();
            if self.count >= cutoff {
                return true;
            }
            self.seen = (self.seen + now.len()) % window;
            output = later;
        }
        false
    }
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
