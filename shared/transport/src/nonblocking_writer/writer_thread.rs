//! The thread of a [`NonBlockingWriter`](super::NonBlockingWriter): it writes whole lines, several in one
//! write.

use std::io::{self, Write};
use std::mem;

use super::line_count::LineCount;
use super::line_format::LineFormat;
use super::queue::{Queue, QueuedItem, Taken};

/// Maximum length of a batch, in bytes. A longer line is written alone.
///
/// Writes of up to `PIPE_BUF` bytes to a pipe are atomic, so the lines of two writers do not mix.
pub(super) const BATCH_LENGTH: usize = 4096;

/// Writes the items of `queue` until it is closed and empty.
pub(super) fn run<F: LineFormat>(queue: &Queue<F::Item>, format: F, writer: impl Write) {
    let output = Output { writer, has_failed: false };
    let mut batch =
        Batch { bytes: Vec::new(), items: Vec::new(), next_number: 1, format, output, queue };
    let mut items = Vec::new();
    loop {
        let Taken { last_number, is_end } = queue.take(&mut items, batch.format.own_line_due());
        items.drain(..).for_each(|item| batch.push(item));
        batch.write();
        batch.skip_to(last_number.saturating_add(1));
        batch.write_own_lines(is_end);
        if is_end {
            break;
        }
    }
    queue.end();
}

/// Whole lines that are written together.
struct Batch<'a, W, F: LineFormat> {
    bytes: Vec<u8>,
    items: Vec<BatchedItem>,
    /// The number after that of the last item that the format has recorded as written or lost.
    next_number: u64,
    format: F,
    output: Output<W>,
    queue: &'a Queue<F::Item>,
}

/// An item of a batch.
struct BatchedItem {
    number: u64,
    is_secondary: bool,
    /// The length of the line with its line feed. `None` if the item cannot be written as text.
    length: Option<usize>,
}

impl<W: Write, F: LineFormat> Batch<'_, W, F> {
    /// Adds an item. Writes the previous lines first if the batch would become too long.
    fn push(&mut self, QueuedItem { item, number, is_secondary }: QueuedItem<F::Item>) {
        let before = self.bytes.len();
        let length = match self.format.append(number, item, &mut self.bytes) {
            Ok(()) => Some(self.bytes.len().saturating_sub(before)),
            Err(_) => {
                self.bytes.truncate(before);
                None
            }
        };
        if self.bytes.len() > BATCH_LENGTH && before > 0 {
            let line = self.bytes.split_off(before);
            self.write();
            self.bytes = line;
        }
        self.items.push(BatchedItem { number, is_secondary, length });
    }

    /// Writes the lines. Tells the format which items were written.
    fn write(&mut self) {
        if self.items.is_empty() {
            return;
        }
        let is_written = self.output.write(&self.bytes).is_ok();
        let (bytes, items) = (mem::take(&mut self.bytes), mem::take(&mut self.items));
        let (mut rest, mut count, mut dropped) = (bytes.as_slice(), LineCount::default(), 0);
        for BatchedItem { number, is_secondary, length } in &items {
            let (line, after) = rest.split_at_checked(length.unwrap_or(0)).unwrap_or((rest, &[]));
            rest = after;
            count = count.plus(LineCount::one(*is_secondary));
            self.skip_to(*number);
            if is_written && length.is_some() {
                self.format.written(*number, line.strip_suffix(b"\n").unwrap_or(line));
                self.next_number = number.saturating_add(1);
            } else {
                self.skip_to(number.saturating_add(1));
                dropped += 1;
            }
        }
        self.queue.count_dropped(dropped);
        self.queue.release(count);
        // The buffers are used again.
        (self.bytes, self.items) = (bytes, items);
        self.bytes.clear();
        self.items.clear();
    }

    /// Tells the format that the items before `number` are lost, if it does not know them yet.
    fn skip_to(&mut self, number: u64) {
        if self.next_number < number {
            self.format.lost(self.next_number..=number.saturating_sub(1));
            self.next_number = number;
        }
    }

    /// Writes the lines that the format itself adds, each in a write of its own.
    fn write_own_lines(&mut self, is_end: bool) {
        loop {
            self.format.append_own(is_end, &mut self.bytes);
            if self.bytes.is_empty() {
                return;
            }
            let is_written = self.output.write(&self.bytes).is_ok();
            self.bytes.clear();
            self.format.own_line_done(is_written);
            if !is_written {
                return;
            }
        }
    }
}

/// The output of the thread.
struct Output<W> {
    writer: W,
    /// True if the last write failed.
    has_failed: bool,
}

impl<W: Write> Output<W> {
    /// Writes whole lines. A write that fails can end within a line, so the write after it begins with a line feed.
    /// Otherwise, its first line would be lost as well.
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let start = if self.has_failed { b"\n".as_slice() } else { b"" };
        let written = self.writer.write_all(start);
        let written = written.and_then(|()| self.writer.write_all(lines));
        let written = written.and_then(|()| self.writer.flush());
        self.has_failed = written.is_err();
        written
    }
}
