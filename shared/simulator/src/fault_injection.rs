//! How well a simulated module works: its latency, and what goes wrong from when on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use zeroize::{Zeroize, Zeroizing};

use nsm_device::{ErrorCode, RANDOM_BLOCK_LENGTH};

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
    /// A call that blocks until the driver's time-out of two minutes.
    Hang,
}

/// From when on a fault is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultTrigger {
    /// From the beginning.
    Boot,
    /// After so many calls of `GetRandom` that still work, counted from when the service was first
    /// ready.
    AfterReady {
        /// How many.
        calls: u64,
    },
}

/// The conditions under which a module works. The default is at once and for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultInjection {
    /// How long every call takes.
    pub latency: Duration,
    /// What breaks, and when.
    pub fault: Option<(Fault, FaultTrigger)>,
}

/// By which a module learns that its service is ready.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// It is.
    pub fn set_ready(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn is_ready(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// FaultInjection, and how far things have come.
#[derive(Debug, Default)]
pub(super) struct FaultState {
    injection: FaultInjection,
    readiness: Readiness,
    /// Calls since the service was ready.
    calls: u64,
    last_good_block: Zeroizing<Vec<u8>>,
}

impl FaultState {
    pub(super) fn new(injection: FaultInjection) -> Self {
        Self { injection, ..Self::default() }
    }

    pub(super) fn latency(&self) -> Duration {
        self.injection.latency
    }

    pub(super) fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    /// The fault from which this call of `GetRandom` suffers.
    pub(super) fn next_fault(&mut self) -> Option<Fault> {
        let (fault, trigger) = self.injection.fault?;
        match trigger {
            FaultTrigger::Boot => Some(fault),
            FaultTrigger::AfterReady { .. } if !self.readiness.is_ready() => None,
            FaultTrigger::AfterReady { calls } => {
                let call = self.calls;
                self.calls = call.saturating_add(1);
                (call >= calls).then_some(fault)
            }
        }
    }

    /// What becomes of a good block.
    pub(super) fn apply(
        &mut self,
        fault: Option<Fault>,
        block: &mut Vec<u8>,
    ) -> Result<(), ErrorCode> {
        let first = block.first().copied().unwrap_or_default();
        match fault {
            None => self.store_block(block),
            Some(Fault::Empty) => clear(block),
            Some(Fault::Short) => block.truncate(RANDOM_BLOCK_LENGTH - 1),
            Some(Fault::Long) => block.push(first),
            Some(Fault::Repeat) => self.repeat_block(block),
            Some(Fault::Zeros) => block.fill(0),
            Some(Fault::Ones) => block.fill(0xff),
            Some(Fault::Counter) => {
                block.iter_mut().zip((0..=u8::MAX).cycle()).for_each(|(byte, n)| *byte = n);
            }
            Some(Fault::Stuck) => block.fill(first),
            Some(Fault::Error | Fault::Malformed | Fault::Hang) => {
                clear(block);
                return Err(ErrorCode::InternalError);
            }
        }
        Ok(())
    }

    /// The last good block again; if there is none, this one from now on.
    fn repeat_block(&mut self, block: &mut Vec<u8>) {
        if self.last_good_block.is_empty() {
            self.store_block(block);
        } else {
            block.clone_from(&self.last_good_block);
        }
    }

    /// Only for a fault that needs it: otherwise nobody keeps a block.
    fn store_block(&mut self, block: &[u8]) {
        if matches!(self.injection.fault, Some((Fault::Repeat, _))) {
            self.last_good_block = Zeroizing::new(block.to_vec());
        }
    }
}

fn clear(block: &mut Vec<u8>) {
    block.zeroize();
    block.clear();
}
