//! The thread of a [`NonBlockingWriter`](super::NonBlockingWriter): it writes whole lines, several in one
//! write.

use std::io::Write;
use std::mem;

use super::line::Line;
use super::line_count::LineCount;
use super::queue::{Queue, QueuedLine};

/// Maximum length of a batch, in bytes. A longer line is written alone.
///
/// Writes of up to `PIPE_BUF` bytes to a pipe are atomic, so the lines of two writers do not mix.
pub(super) const BATCH_LENGTH: usize = 4096;

/// Writes the lines of `queue` until it is closed and empty.
pub(super) fn run<T: Line>(queue: &Queue<T>, writer: impl Write) {
    let mut batch = Batch { bytes: Vec::new(), lines: LineCount::default(), writer, queue };
    let mut taken = Vec::new();
    while queue.take(&mut taken) {
        taken.drain(..).for_each(|line| batch.push(line));
        batch.write();
    }
}

/// Whole lines that are written together.
struct Batch<'a, W, T> {
    bytes: Vec<u8>,
    lines: LineCount,
    writer: W,
    queue: &'a Queue<T>,
}

impl<W: Write, T: Line> Batch<'_, W, T> {
    /// Adds a line. Writes the previous lines first if the batch would become too long.
    fn push(&mut self, QueuedLine { line, number, is_secondary }: QueuedLine<T>) {
        let before = self.bytes.len();
        if line.append_to(number, &mut self.bytes).is_err() {
            self.bytes.truncate(before);
            self.queue.count_dropped(1);
            self.queue.release(LineCount::one(is_secondary));
            return;
        }
        if self.bytes.len() > BATCH_LENGTH && before > 0 {
            let line = self.bytes.split_off(before);
            self.write();
            self.bytes = line;
        }
        self.lines = self.lines.plus(LineCount::one(is_secondary));
    }

    fn write(&mut self) {
        let lines = mem::take(&mut self.lines);
        if lines.all == 0 {
            return;
        }
        if self.writer.write_all(&self.bytes).and_then(|()| self.writer.flush()).is_err() {
            self.queue.count_dropped(u64::try_from(lines.all).unwrap_or(u64::MAX));
        }
        self.bytes.clear();
        self.queue.release(lines);
    }
}
