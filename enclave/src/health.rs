//! Health tests of what the NSM or an HSM gives, in the style of SP 800-90B section 4.
//!
//! They are to notice that the source has failed altogether, in a way that shows: that it repeats
//! itself, counts, or is stuck. They cannot tell good randomness from bad that is well mixed. The
//! samples are bytes, of which each is taken to have [`MIN_ENTROPY`] bits of min-entropy at least;
//! a source that is as good as that fails a test once in 2^40 samples at most.
//!
//! 1. Of the NSM exactly 256 bytes.
//! 2. RepetitionTest count (SP 800-90B section 4.4.1), over the bytes, and over the differences of
//!    each to the one before: a counter's differences repeat. As good bytes are independent, so
//!    are their differences.
//! 3. Adaptive proportion (section 4.4.2).
//! 4. No output of 16 bytes or more that was among the last 1,024 of these: good ones are so once in
//!    2^86. Shorter ones that are always the same fail the third test, by every fifteenth byte.

use std::collections::{HashSet, VecDeque};

use attestation::crypto::{SHA_256_LENGTH, Sha256};
use nsm_device::RANDOM_BLOCK_LENGTH;
use thiserror::Error;

/// Bits of min-entropy that a byte has at least.
#[cfg(test)]
const MIN_ENTROPY: u32 = 6;

/// The chance of a false alarm is 2 to the minus so many.
#[cfg(test)]
const ALPHA_EXPONENT: u32 = 40;

/// As many equal samples in a row are a failure: 1 + ceil(40 / 6).
const REPETITION_CUTOFF: u32 = 8;

/// Samples in a window of the adaptive proportion test; SP 800-90B has 512 where a sample is not
/// one bit.
const PROPORTION_WINDOW: u16 = 512;

/// As many samples equal to a window's first are a failure: 1 + CRITBINOM(512, 2^-6, 1 - 2^-40).
const PROPORTION_CUTOFF: u16 = 35;

/// Outputs that are remembered, by their digest.
const REMEMBERED_OUTPUTS: usize = 1024;

/// Bytes of an output that is remembered.
const MIN_REMEMBERED_LENGTH: usize = 16;

/// Blocks that are tested, and not used, before any is: 1,024 samples (SP 800-90B section 4.3).
pub(crate) const START_UP_BLOCKS: usize = 4;

/// A test that failed. The source is not used again.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum HealthFault {
    /// A block of another size than 256 bytes.
    #[error("it returned {length} random bytes instead of 256")]
    Length {
        /// How many bytes came.
        length: usize,
    },
    /// Equal samples, or equal differences, in a row.
    #[error("the repetition count test failed")]
    RepetitionCount,
    /// One sample too often.
    #[error("the adaptive proportion test failed")]
    AdaptiveProportion,
    /// An output that came before.
    #[error("it returned the same bytes twice")]
    RepeatedOutput,
}

/// The tests of one source, and what they remember from output to output: bytes among it, so that
/// nothing shows it.
pub(crate) struct HealthTests {
    bytes: RepetitionTest,
    differences: RepetitionTest,
    last: Option<u8>,
    proportion: ProportionTest,
    recent: VecDeque<Digest>,
    /// The same, to be found at once: it is searched for each output that anybody waits for.
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

    /// Tests the next block that the NSM gave.
    pub(crate) fn check_block(&mut self, block: &[u8]) -> Result<(), HealthFault> {
        // 1: its length
        if block.len() != RANDOM_BLOCK_LENGTH {
            return Err(HealthFault::Length { length: block.len() });
        }
        self.check(block)
    }

    /// Tests the next output of the source, of any length.
    pub(crate) fn check(&mut self, output: &[u8]) -> Result<(), HealthFault> {
        // 2: repetition
        if self.repeats(output) {
            return Err(HealthFault::RepetitionCount);
        }
        // 3: proportion
        if self.proportion.fails(output) {
            return Err(HealthFault::AdaptiveProportion);
        }
        // 4: an output that is known
        if output.len() < MIN_REMEMBERED_LENGTH {
            return Ok(());
        }
        self.remember(Sha256::digest(output))
    }

    /// Over all of it whatever it finds, and without a branch for each sample.
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

/// How often the last sample came in a row, and how often any did.
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

/// How often a window's first sample came in it.
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
