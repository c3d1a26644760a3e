//! A counter of calls that can be read while its module is in use.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A counter of a simulated module's `GetRandom` calls, shared by its clones.
#[derive(Clone, Debug, Default)]
pub struct CallCounter(Arc<AtomicU64>);

impl CallCounter {
    pub(super) fn increment(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    /// Returns the number of `GetRandom` calls, including failed ones.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}
