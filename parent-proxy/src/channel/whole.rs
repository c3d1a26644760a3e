//! Lines on their way to the sink, and a sink in which none is a part of another.

use std::io::{self, Write};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use transport::lines::Line;

/// A line that waits, and its bytes among those of all that do.
#[derive(Debug)]
pub(super) struct Held {
    line: Vec<u8>,
    length: usize,
    all: Arc<AtomicUsize>,
}

impl Held {
    /// Holds `line`, or gives it back if all together would have more than `limit` bytes.
    pub(super) fn new(
        line: Vec<u8>,
        all: &Arc<AtomicUsize>,
        limit: usize,
    ) -> Result<Self, Vec<u8>> {
        let length = line.len();
        let total = all.fetch_add(length, Ordering::Relaxed) + length;
        let held = Self { line, length, all: Arc::clone(all) };
        if total <= limit { Ok(held) } else { Err(held.into_line()) }
    }

    pub(super) fn into_line(mut self) -> Vec<u8> {
        mem::take(&mut self.line)
    }
}

impl Line for Held {
    fn append_to(self, batch: &mut Vec<u8>) -> io::Result<()> {
        batch.extend_from_slice(&self.line);
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.fetch_sub(self.length, Ordering::Relaxed);
    }
}

/// A sink that may fail in the middle of a line, as a full disk does: the next one begins anew.
#[derive(Debug)]
pub(super) struct WholeLines<W> {
    sink: W,
    is_within_line: bool,
    has_failed: bool,
}

impl<W: Write> WholeLines<W> {
    pub(super) fn new(sink: W) -> Self {
        Self { sink, is_within_line: false, has_failed: false }
    }

    fn note<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        // That is tried again, with the same bytes.
        let is_failure = |error: &io::Error| error.kind() != io::ErrorKind::Interrupted;
        self.has_failed |= result.as_ref().is_err_and(is_failure);
        result
    }
}

impl<W: Write> Write for WholeLines<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.has_failed && self.is_within_line {
            let ended = self.sink.write_all(b"\n");
            self.note(ended)?;
            self.is_within_line = false;
        }
        self.has_failed = false;
        let written = self.sink.write(bytes);
        let length = self.note(written)?;
        if let Some(last) = bytes.get(..length).and_then(<[u8]>::last) {
            self.is_within_line = *last != b'\n';
        }
        // It takes no more, which `write_all` gives up at.
        self.has_failed |= length == 0 && !bytes.is_empty();
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.sink.flush();
        self.note(flushed)
    }
}
