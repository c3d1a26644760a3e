//! A sink that never mixes parts of two lines.

use std::io::{self, Write};

/// A sink whose writes can fail within a line, as on a full disk. After such a failure, the next line starts
/// on a new line.
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
        // The caller retries an interrupted call with the same bytes.
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
        // `write_all` fails if the sink accepts no bytes.
        self.has_failed |= length == 0 && !bytes.is_empty();
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.sink.flush();
        self.record_failure(flushed)
    }
}
