//! Health tests of the output of the NSM and of HSMs, in the style of SP 800-90B section 4.
//!
//! The tests detect a source that has failed completely: one that repeats its output, counts, or is stuck.
//! They cannot detect a bad source whose output is well mixed. Samples are bytes, with an assumed
//! min-entropy of at least `MIN_ENTROPY` bits each. A source that meets the assumption fails a test at most
//! once in 2^40 samples.
//!
//! 1. Length: a block of the NSM has exactly 256 bytes.
//! 2. Repetition count (SP 800-90B section 4.4.1), over the bytes and over the differences between
//!    neighboring bytes. The differences of a counter are equal. Good bytes are independent, and so are
//!    their differences.
//! 3. Adaptive proportion (section 4.4.2).
//! 4. Repeated output: an output of at least 16 bytes must not equal one of the last 1,024. Good outputs do
//!    so once in 2^86. A source that repeats shorter outputs fails test 3, because at least every fifteenth
//!    byte is equal.

use std::collections::{HashSet, VecDeque};

use attestation::crypto::{SHA_256_LENGTH, Sha256};
use nsm_device::RANDOM_BLOCK_LENGTH;
use thiserror::Error;

/// Assumed min-entropy of a byte, in bits.
#[cfg(test)]
const MIN_ENTROPY: u32 = 6;

/// The probability of a false alarm is 2 to the minus this number.
#[cfg(test)]
const ALPHA_EXPONENT: u32 = 40;

/// Number of equal samples in a row that fails: 1 + ceil(40 / 6).
const REPETITION_CUTOFF: u32 = 8;

/// Number of samples in a window of the adaptive proportion test. SP 800-90B requires 512 for samples that
/// are not single bits.
const PROPORTION_WINDOW: u16 = 512;

/// Number of samples equal to the first of a window that fails: 1 + CRITBINOM(512, 2^-6, 1 - 2^-40).
const PROPORTION_CUTOFF: u16 = 35;

/// Number of outputs whose digests are kept.
const REMEMBERED_OUTPUTS: usize = 1024;

/// Minimum length of an output whose digest is kept, in bytes.
const MIN_REMEMBERED_LENGTH: usize = 16;

/// Number of blocks that are tested and discarded at start-up: 1,024 samples (SP 800-90B section 4.3).
pub(crate) const START_UP_BLOCKS: usize = 4;

/// A failed health test. The source is not used again.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum HealthFault {
    /// A block does not have 256 bytes.
    #[error("it returned {length} random bytes instead of 256")]
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
    #[error("it returned the same bytes twice")]
    RepeatedOutput,
}

/// The health tests of one source. They remember output between calls, so they do not implement Debug.
pub(crate) struct HealthTests {
    bytes: RepetitionTest,
    differences: RepetitionTest,
    last: Option<u8>,
    proportion: ProportionTest,
    recent: VecDeque<Digest>,
    /// The same digests for fast look-up, because requests wait for the tests.
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

    /// Adds all samples of `output` and returns whether too many in a row are equal. It has no branch per
    /// sample.
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

/// The number of equal samples in a row: of the last sample, and at most.
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

/// The number of samples equal to the first in the current window.
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
