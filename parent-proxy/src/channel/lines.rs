//! Bytes, cut into lines.

use std::mem;

/// Bytes of a line without its line feed; an audit record has some 2,000.
pub(super) const MAX_LINE_LENGTH: usize = 64 * 1024;

/// What came in full.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// A line with its line feed.
    Line(Vec<u8>),
    /// The beginning of one that is too long; the rest of it is passed over.
    TooLong,
}

/// What came of a line that is not whole yet.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    line: Vec<u8>,
    is_passed_over: bool,
}

impl Splitter {
    /// Adds `bytes`, and hands on what is whole with them, as far as it is asked for.
    pub(super) fn push(&mut self, bytes: &[u8]) -> impl Iterator<Item = Came> {
        bytes.split_inclusive(|byte| *byte == b'\n').filter_map(|piece| self.push_piece(piece))
    }

    /// Adds bytes of which none but the last is a line feed.
    fn push_piece(&mut self, piece: &[u8]) -> Option<Came> {
        let (part, is_whole) = match piece.strip_suffix(b"\n") {
            Some(part) => (part, true),
            None => (piece, false),
        };
        if self.is_passed_over {
            self.is_passed_over = !is_whole;
            return None;
        }
        if self.line.len() + part.len() > MAX_LINE_LENGTH {
            // What is not used is not kept.
            self.line = Vec::new();
            self.is_passed_over = !is_whole;
            return Some(Came::TooLong);
        }
        self.line.extend_from_slice(piece);
        is_whole.then(|| Came::Line(mem::take(&mut self.line)))
    }

    /// Whether a line has begun that is not whole, nor counted as too long.
    pub(super) fn is_within_line(&self) -> bool {
        !self.line.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of `bytes` in pieces of so many.
    fn split(bytes: &[u8], length: usize) -> (Vec<Came>, bool) {
        let (mut splitter, mut all) = (Splitter::default(), Vec::new());
        bytes.chunks(length).for_each(|piece| all.extend(splitter.push(piece)));
        (all, splitter.is_within_line())
    }

    fn line(text: &str) -> Came {
        Came::Line(text.as_bytes().to_vec())
    }

    #[test]
    fn lines_are_the_same_however_they_come() {
        for length in 1..12 {
            let (came, is_within) = split(b"one\n\ntwo\r\nthr", length);
            assert_eq!(came, [line("one\n"), line("\n"), line("two\r\n")], "{length}");
            assert!(is_within);
            assert!(!split(b"one\n", length).1);
        }
    }

    #[test]
    fn one_that_is_too_long_is_passed_over_up_to_its_end() {
        let longest = [&[b'a'; MAX_LINE_LENGTH][..], b"\n"].concat();
        let longer = [&b"b"[..], &longest].concat();
        let bytes = [&longest[..], &longer, b"c\n", &longer[..MAX_LINE_LENGTH + 1]].concat();
        let expected = [Came::Line(longest), Came::TooLong, line("c\n"), Came::TooLong];
        for length in [1, 7, MAX_LINE_LENGTH, MAX_LINE_LENGTH + 1, bytes.len()] {
            let (came, is_within) = split(&bytes, length);
            assert!(came == expected, "{length}");
            // It is counted already.
            assert!(!is_within);
        }
    }
}
