//! Fault injection for a simulated NSM: latency, and faults of `GetRandom`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use zeroize::{Zeroize, Zeroizing};

use nsm_device::{ErrorCode, RANDOM_BLOCK_LENGTH};

/// A fault of the responses to `GetRandom`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No bytes.
    Empty,
    /// One byte too few.
    Short,
    /// One byte too many.
    Long,
    /// The last correct block, repeated.
    Repeat,
    /// Zero bytes.
    Zeros,
    /// Bytes of 0xff.
    Ones,
    /// The bytes 0, 1, 2 and so on.
    Counter,
    /// The same byte, repeated.
    Stuck,
    /// An error code.
    Error,
    /// Bytes that are not CBOR.
    Malformed,
    /// A call that blocks until the driver's timeout of two minutes.
    Hang,
}

/// The time from which a fault occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultTrigger {
    /// From the first call.
    Boot,
    /// After a number of correct calls of `GetRandom`, counted from the time when the service is first ready.
    AfterReady {
        /// The number of correct calls.
        calls: u64,
    },
}

/// The latency and the fault of a module. The default is no latency and no fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultInjection {
    /// The duration of every call.
    pub latency: Duration,
    /// The fault and its trigger.
    pub fault: Option<(Fault, FaultTrigger)>,
}

/// A flag that the service sets once it is ready, and that its module reads.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Sets the flag.
    pub fn set_ready(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn is_ready(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// The state of a module's fault injection.
#[derive(Debug, Default)]
pub(super) struct FaultState {
    injection: FaultInjection,
    readiness: Readiness,
    /// The number of calls since the service is ready.
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

    /// Returns the fault of the next call of `GetRandom`.
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

    /// Applies `fault` to a correct block.
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

    /// Replaces `block` by the last correct block. If there is none, stores `block` for later calls.
    fn repeat_block(&mut self, block: &mut Vec<u8>) {
        if self.last_good_block.is_empty() {
            self.store_block(block);
        } else {
            block.clone_from(&self.last_good_block);
        }
    }

    /// Stores a correct block if the fault is `Repeat`. Otherwise no block is stored.
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
