//! The thread of a [`Lines`](super::Lines): it writes whole lines, several at once.

use std::io::Write;
use std::mem;

use super::count::Count;
use super::line::Line;
use super::queue::{Queue, Queued};

/// Maximum length of a batch, in bytes: the number that a pipe takes in one piece (`PIPE_BUF`),
/// so that the lines of two writers never mix in it. A longer line is written alone.
pub(super) const BATCH_LENGTH: usize = 4096;

/// Writes the lines of `queue` until it is closed and empty.
pub(super) fn write_all<T: Line>(queue: &Queue<T>, writer: impl Write) {
    let mut batch = Batch { bytes: Vec::new(), lines: Count::default(), writer, queue };
    let mut taken = Vec::new();
    while queue.take(&mut taken) {
        taken.drain(..).for_each(|line| batch.push(line));
        batch.write();
    }
}

/// Whole lines that are written at once.
struct Batch<'a, W, T> {
    bytes: Vec<u8>,
    lines: Count,
    writer: W,
    queue: &'a Queue<T>,
}

impl<W: Write, T: Line> Batch<'_, W, T> {
    /// Adds a line. Writes the lines before it first if both are too long together.
    fn push(&mut self, Queued { line, is_secondary }: Queued<T>) {
        let before = self.bytes.len();
        if line.append_to(&mut self.bytes).is_err() {
            self.bytes.truncate(before);
            self.queue.drop_lines(1);
            self.queue.settle(Count::of(is_secondary));
            return;
        }
        if self.bytes.len() > BATCH_LENGTH && before > 0 {
            let line = self.bytes.split_off(before);
            self.write();
            self.bytes = line;
        }
        self.lines = self.lines.plus(Count::of(is_secondary));
    }

    fn write(&mut self) {
        let lines = mem::take(&mut self.lines);
        if lines.all == 0 {
            return;
        }
        if self.writer.write_all(&self.bytes).and_then(|()| self.writer.flush()).is_err() {
            self.queue.drop_lines(u64::try_from(lines.all).unwrap_or(u64::MAX));
        }
        self.bytes.clear();
        self.queue.settle(lines);
    }
}
