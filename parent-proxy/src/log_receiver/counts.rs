//! The counters of log lines that enclaves send.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The counters of a log receiver. A clone refers to the same counters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    lines: AtomicU64,
    queue_full: AtomicU64,
    write_failed: AtomicU64,
    too_long: AtomicU64,
    truncated: AtomicU64,
    open: AtomicUsize,
}

impl Counts {
    /// Returns the number of complete lines that were read.
    pub(crate) fn lines(&self) -> u64 {
        self.0.lines.load(Ordering::Relaxed)
    }

    /// Returns the number of lines that were dropped because the queue was full and too many connections of
    /// their enclave waited for room.
    pub(crate) fn queue_full(&self) -> u64 {
        self.0.queue_full.load(Ordering::Relaxed)
    }

    /// Returns the number of lines that were dropped because writing them failed.
    pub(crate) fn write_failed(&self) -> u64 {
        self.0.write_failed.load(Ordering::Relaxed)
    }

    /// Returns the number of lines that were dropped because they are longer than 64 KiB.
    pub(crate) fn too_long(&self) -> u64 {
        self.0.too_long.load(Ordering::Relaxed)
    }

    /// Returns the number of lines that ended with their connection, before their line feed.
    pub(crate) fn truncated(&self) -> u64 {
        self.0.truncated.load(Ordering::Relaxed)
    }

    /// Returns the number of open connections.
    pub(crate) fn connections_open(&self) -> usize {
        self.0.open.load(Ordering::Relaxed)
    }

    /// Returns the number of dropped lines by reason.
    pub(crate) fn dropped(&self) -> [(&'static str, u64); 4] {
        [
            ("queue_full", self.queue_full()),
            ("write_failed", self.write_failed()),
            ("too_long", self.too_long()),
            ("truncated", self.truncated()),
        ]
    }

    /// Counts a line that was read.
    pub(super) fn add_line(&self) {
        self.0.lines.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a line for which the queue had no room.
    pub(super) fn add_queue_full(&self) {
        self.0.queue_full.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts lines that the sink did not accept.
    pub(super) fn add_write_failed(&self, lines: usize) {
        self.0.write_failed.fetch_add(u64::try_from(lines).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Counts a line that is too long.
    pub(super) fn add_too_long(&self) {
        self.0.too_long.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a line that ended with its connection.
    pub(super) fn add_truncated(&self) {
        self.0.truncated.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection as open until the guard is dropped.
    pub(super) fn open(&self) -> impl Drop + use<> {
        struct Open(Counts);
        impl Drop for Open {
            fn drop(&mut self) {
                self.0.0.open.fetch_sub(1, Ordering::Relaxed);
            }
        }
        self.0.open.fetch_add(1, Ordering::Relaxed);
        Open(self.clone())
    }
}
