//! A sink in which no line is a part of another.

use std::io::{self, Write};

/// A sink that may fail in the middle of a line, as a full disk does. The next line begins on a line of its own.
#[derive(Debug)]
pub(super) struct WholeLines<W> {
    sink: W,
    is_within_line: bool,
    has_failed: bool,
}

impl<W: Write> WholeLines<W> {
    /// Creates a sink that writes to `sink`.
    pub(super) fn new(sink: W) -> Self {
        Self { sink, is_within_line: false, has_failed: false }
    }

    /// Records whether a call failed.
    fn record_failure<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        // The caller tries an interrupted call again, with the same bytes.
        let is_failure = |error: &io::Error| error.kind() != io::ErrorKind::Interrupted;
        self.has_failed |= result.as_ref().is_err_and(is_failure);
        result
    }
}

impl<W: Write> Write for WholeLines<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.has_failed && self.is_within_line {
            let ended = self.sink.write_all(b"\n");
            self.record_failure(ended)?;
            self.is_within_line = false;
        }
        self.has_failed = false;
        let written = self.sink.write(bytes);
        let length = self.record_failure(written)?;
        if let Some(last) = bytes.get(..length).and_then(<[u8]>::last) {
            self.is_within_line = *last != b'\n';
        }
        // The sink takes no more: `write_all` gives up.
        self.has_failed |= length == 0 && !bytes.is_empty();
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.sink.flush();
        self.record_failure(flushed)
    }
}
