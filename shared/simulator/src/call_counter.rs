//! A count that outlives the module it is of.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How often a simulated module was asked for random bytes, to be read while the module is in use.
#[derive(Clone, Debug, Default)]
pub struct CallCounter(Arc<AtomicU64>);

impl CallCounter {
    pub(super) fn increment(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    /// Calls of `GetRandom` so far, answered well or not.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}
