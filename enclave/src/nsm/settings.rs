//! How the NSM's thread keeps blocks, and how long it is waited for: part of the table `[entropy]`.

use std::time::Duration;

/// Settings of the NSM's thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NsmSettings {
    /// How long a caller waits for a block or a document.
    pub(crate) deadline: Duration,
    /// How long a call of the NSM may take before the NSM counts as stuck.
    pub(crate) watchdog: Duration,
    /// Number of blocks kept ready.
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
