//! How well a simulated module works: its latency, and what goes wrong from when on.

use std::time::Duration;

use zeroize::{Zeroize, Zeroizing};

use crate::nsm::{ErrorCode, RANDOM_BLOCK_LENGTH};

/// What a module's answers to `GetRandom` are like once it is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No byte.
    Empty,
    /// One byte too few.
    Short,
    /// One byte too many.
    Long,
    /// The last good block again.
    Repeat,
    /// Zeros.
    Zeros,
    /// Ones, in every bit.
    Ones,
    /// 0, 1, 2 and so on.
    Counter,
    /// One byte, over and over.
    Stuck,
    /// An error code.
    Error,
    /// Bytes that are not CBOR.
    Malformed,
}

/// The conditions under which a module works. The default is at once and for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// How long every call takes. A module that hangs is one that takes very long.
    pub latency: Duration,
    /// What breaks, and how many calls of `GetRandom` still work.
    pub fault: Option<(Fault, u64)>,
}

/// Conditions, and how far things have come.
#[derive(Debug, Default)]
pub(super) struct Course {
    conditions: Conditions,
    blocks: u64,
    last_good: Zeroizing<Vec<u8>>,
}

impl Course {
    pub(super) fn new(conditions: Conditions) -> Self {
        Self { conditions, ..Self::default() }
    }

    pub(super) fn latency(&self) -> Duration {
        self.conditions.latency
    }

    /// The fault from which the block that is next suffers.
    fn fault(&self) -> Option<Fault> {
        let (fault, after) = self.conditions.fault?;
        (self.blocks >= after).then_some(fault)
    }

    /// Whether the next block's answer is not even CBOR.
    pub(super) fn is_malformed(&self) -> bool {
        self.fault() == Some(Fault::Malformed)
    }

    /// What becomes of a good block.
    pub(super) fn spoil(&mut self, block: &mut Vec<u8>) -> Result<(), ErrorCode> {
        let fault = self.fault();
        self.blocks = self.blocks.saturating_add(1);
        let first = block.first().copied().unwrap_or_default();
        match fault {
            None => self.remember(block),
            Some(Fault::Empty) => empty(block),
            Some(Fault::Short) => block.truncate(RANDOM_BLOCK_LENGTH - 1),
            Some(Fault::Long) => block.push(first),
            Some(Fault::Repeat) => block.clone_from(&self.last_good),
            Some(Fault::Zeros) => block.fill(0),
            Some(Fault::Ones) => block.fill(0xff),
            Some(Fault::Counter) => {
                block.iter_mut().zip((0..=u8::MAX).cycle()).for_each(|(byte, n)| *byte = n);
            }
            Some(Fault::Stuck) => block.fill(first),
            Some(Fault::Error | Fault::Malformed) => {
                empty(block);
                return Err(ErrorCode::InternalError);
            }
        }
        Ok(())
    }

    /// Only for a fault that needs it: otherwise nobody keeps a block.
    fn remember(&mut self, block: &[u8]) {
        if matches!(self.conditions.fault, Some((Fault::Repeat, _))) {
            self.last_good = Zeroizing::new(block.to_vec());
        }
    }
}

fn empty(block: &mut Vec<u8>) {
    block.zeroize();
    block.clear();
}
