//! Splits a byte stream into lines.

use std::mem;

/// Maximum length of a line in bytes, without its line feed. An audit record has about 2,000.
pub(super) const MAX_LINE_LENGTH: usize = 64 * 1024;

/// A complete line, or the start of a line that is too long.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LineEvent {
    /// A complete line, with its line feed.
    Line(Vec<u8>),
    /// The start of a line that is too long. The rest of it is skipped.
    TooLong,
}

/// A splitter of bytes into lines, which buffers the incomplete last line.
#[derive(Debug, Default)]
pub(super) struct LineSplitter {
    line: Vec<u8>,
    is_skipped: bool,
}

impl LineSplitter {
    /// Adds `bytes`. Returns an iterator of the lines that these bytes complete.
    pub(super) fn push(&mut self, bytes: &[u8]) -> impl Iterator<Item = LineEvent> {
        bytes.split_inclusive(|byte| *byte == b'\n').filter_map(|piece| self.push_piece(piece))
    }

    /// Adds bytes that contain at most one line feed, at the end.
    fn push_piece(&mut self, piece: &[u8]) -> Option<LineEvent> {
        let (part, is_whole) = match piece.strip_suffix(b"\n") {
            Some(part) => (part, true),
            None => (piece, false),
        };
        if self.is_skipped {
            self.is_skipped = !is_whole;
            return None;
        }
        if self.line.len() + part.len() > MAX_LINE_LENGTH {
            // Frees the buffer.
            self.line = Vec::new();
            self.is_skipped = !is_whole;
            return Some(LineEvent::TooLong);
        }
        self.line.extend_from_slice(piece);
        is_whole.then(|| LineEvent::Line(mem::take(&mut self.line)))
    }

    /// Returns whether there is an incomplete line that is not too long.
    pub(super) fn is_within_line(&self) -> bool {
        !self.line.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Splits `bytes`, added in pieces of `length`. Returns the events, and whether a line is incomplete.
    fn split(bytes: &[u8], length: usize) -> (Vec<LineEvent>, bool) {
        let (mut splitter, mut all) = (LineSplitter::default(), Vec::new());
        bytes.chunks(length).for_each(|piece| all.extend(splitter.push(piece)));
        (all, splitter.is_within_line())
    }

    fn line(text: &str) -> LineEvent {
        LineEvent::Line(text.as_bytes().to_vec())
    }

    #[test]
    fn lines_do_not_depend_on_how_bytes_are_split() {
        for length in 1..12 {
            let (events, is_within) = split(b"one\n\ntwo\r\nthr", length);
            assert_eq!(events, [line("one\n"), line("\n"), line("two\r\n")], "{length}");
            assert!(is_within);
            assert!(!split(b"one\n", length).1);
        }
    }

    #[test]
    fn skips_a_line_that_is_too_long_to_its_end() {
        let longest = [&[b'a'; MAX_LINE_LENGTH][..], b"\n"].concat();
        let longer = [&b"b"[..], &longest].concat();
        let bytes = [&longest[..], &longer, b"c\n", &longer[..MAX_LINE_LENGTH + 1]].concat();
        let expected =
            [LineEvent::Line(longest), LineEvent::TooLong, line("c\n"), LineEvent::TooLong];
        for length in [1, 7, MAX_LINE_LENGTH, MAX_LINE_LENGTH + 1, bytes.len()] {
            let (events, is_within) = split(&bytes, length);
            assert!(events == expected, "{length}");
            // The line that is too long was already reported.
            assert!(!is_within);
        }
    }
}
