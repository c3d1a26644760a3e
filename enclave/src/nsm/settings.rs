//! The settings of the NSM thread, which are part of the table `[entropy]`.

use std::time::Duration;

/// The settings of the NSM thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NsmSettings {
    /// Longest time that a caller waits for a block or a document.
    pub(crate) deadline: Duration,
    /// Longest time that a call may take before the NSM counts as stuck.
    pub(crate) watchdog: Duration,
    /// Number of blocks to prefetch.
    pub(crate) prefetch: usize,
    /// Maximum age of a block when it is used.
    pub(crate) max_age: Duration,
}

impl Default for NsmSettings {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(1),
            watchdog: Duration::from_secs(3),
            prefetch: 64,
            max_age: Duration::from_secs(60),
        }
    }
}
