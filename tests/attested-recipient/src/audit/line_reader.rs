//! Reads the lines of several files, with bounded memory.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;

use thiserror::Error;

/// Maximum length of a line, in bytes. It exceeds that of the relay. A longer line is not of an enclave.
const MAX_LINE_LENGTH: usize = 128 * 1024;

/// The place of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The index of the file.
    pub file: usize,
    /// The number of the line, from 1.
    pub line: u64,
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.file {
            0 => write!(formatter, "line {}", self.line),
            file => write!(formatter, "line {} of file {}", self.line, file.saturating_add(1)),
        }
    }
}

/// The error for a file that cannot be read.
#[derive(Debug, Error)]
#[error("{}: {error}", path.display())]
pub struct TrailReadError {
    /// The file.
    pub path: PathBuf,
    /// The error.
    pub error: io::Error,
}

/// Calls `on_line` for each line of `files`, without its line feed.
pub(super) fn for_each_line(
    files: &[PathBuf],
    mut on_line: impl FnMut(Location, &[u8]),
) -> Result<(), TrailReadError> {
    for (file, path) in files.iter().enumerate() {
        let read = File::open(path).and_then(|opened| {
            let mut reader = BufReader::with_capacity(64 * 1024, opened);
            let (mut line, mut number) = (Vec::new(), 0);
            while read_line(&mut reader, &mut line)? {
                number += 1;
                on_line(Location { file, line: number }, &line);
            }
            Ok(())
        });
        read.map_err(|error| TrailReadError { path: path.clone(), error })?;
    }
    Ok(())
}

/// Reads a line into `line`, without its line feed. A line that is too long is read as an empty line. Returns false at
/// the end of the file.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut is_too_long = false;
    let mut has_read = false;
    loop {
        let available = reader.fill_buf()?;
        let end = available.iter().position(|byte| *byte == b'\n');
        let part = available.get(..end.unwrap_or(available.len())).unwrap_or_default();
        has_read |= !available.is_empty();
        is_too_long |= line.len().saturating_add(part.len()) > MAX_LINE_LENGTH;
        if is_too_long {
            line.clear();
        } else {
            line.extend_from_slice(part);
        }
        let length = end.map_or(available.len(), |end| end.saturating_add(1));
        let is_last = available.is_empty() || end.is_some();
        reader.consume(length);
        if is_last {
            return Ok(has_read);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_each_line_and_skips_lines_that_are_too_long() {
        let long = vec![b'a'; MAX_LINE_LENGTH + 1];
        let text = [&b"one\n\n"[..], &long, b"\n", &long[1..], b"\nlast"].concat();
        for capacity in [1000, 64 * 1024] {
            let mut reader = BufReader::with_capacity(capacity, &text[..]);
            let (mut line, mut lengths) = (Vec::new(), Vec::new());
            while read_line(&mut reader, &mut line).unwrap() {
                lengths.push(line.len());
            }
            assert_eq!(lengths, [3, 0, 0, MAX_LINE_LENGTH, 4]);
        }
    }
}
