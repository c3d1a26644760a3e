//! What a channel counts, for who watches it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use transport::lines::Lines;

use super::whole::Held;

/// Bytes of all lines that wait for the sink: of ordinary ones as many as its queue has places for.
const MAX_HELD_LENGTH: usize = 4 * 1024 * 1024;

/// What a channel has counted so far; a clone counts the same.
#[derive(Clone, Debug)]
pub(crate) struct Counts(Arc<Counted>);

struct Counted {
    to_sink: Lines<Held>,
    lines: AtomicU64,
    too_long: AtomicU64,
    cut: AtomicU64,
    open: AtomicUsize,
    /// Bytes that wait.
    held: Arc<AtomicUsize>,
}

impl Counts {
    pub(super) fn of(to_sink: Lines<Held>) -> Self {
        Self(Arc::new(Counted {
            to_sink,
            lines: AtomicU64::new(0),
            too_long: AtomicU64::new(0),
            cut: AtomicU64::new(0),
            open: AtomicUsize::new(0),
            held: Arc::default(),
        }))
    }

    /// Whole lines that came, those that were dropped as full among them.
    pub(crate) fn lines(&self) -> u64 {
        self.0.lines.load(Ordering::Relaxed)
    }

    /// Lines that the sink did not take, or far too slowly.
    pub(crate) fn full(&self) -> u64 {
        self.0.to_sink.dropped()
    }

    /// Lines that were dropped because they are longer than 64 KiB.
    pub(crate) fn too_long(&self) -> u64 {
        self.0.too_long.load(Ordering::Relaxed)
    }

    /// Lines whose connection ended before they did.
    pub(crate) fn cut(&self) -> u64 {
        self.0.cut.load(Ordering::Relaxed)
    }

    /// Connections that are open.
    pub(crate) fn connections_open(&self) -> usize {
        self.0.open.load(Ordering::Relaxed)
    }

    /// Lines that were lost, by why.
    pub(crate) fn dropped(&self) -> [(&'static str, u64); 3] {
        [("full", self.full()), ("too_long", self.too_long()), ("cut", self.cut())]
    }

    pub(super) fn add_line(&self) {
        self.0.lines.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_too_long(&self) {
        self.0.too_long.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_cut(&self) {
        self.0.cut.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection as open until it goes out of scope.
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

    /// A place for a line among those that wait; itself if there is none.
    pub(super) fn hold(&self, line: Vec<u8>) -> Result<Held, Vec<u8>> {
        Held::new(line, &self.0.held, MAX_HELD_LENGTH)
    }
}

impl fmt::Debug for Counted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Counted").field("lines", &self.lines).finish_non_exhaustive()
    }
}
