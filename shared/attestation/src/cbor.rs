//! A reader for the CBOR of attestation documents (RFC 8949).
//!
//! The reader is stricter than general decoders:
//!
//! - A length must have its shortest form.
//! - A string must not consist of chunks.
//! - The nesting is bounded.
//!
//! The reader does not allocate memory for a declared length. It returns the positions of values in the whole
//! document.

mod error;

use std::ops::Range;

pub use self::error::{CborError, CborFault};

/// Maximum nesting below a skipped field. Genuine documents have two levels.
const MAX_DEPTH: usize = 16;

/// The number of unread items of a map or an array.
#[derive(Debug)]
pub(super) enum Items {
    Left(u64),
    UntilBreak,
}

/// The head of a data item (RFC 8949 section 3).
#[derive(Clone, Copy)]
struct Head {
    major: u8,
    /// The argument. `None` for an indefinite length and for the break code.
    argument: Option<u64>,
}

const UNSIGNED: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const SIMPLE: u8 = 7;
const NULL: u8 = 0xf6;
const BREAK: u8 = 0xff;

const fn type_name(initial_byte: u8) -> &'static str {
    match (initial_byte >> 5, initial_byte & 0x1f) {
        (0, _) => "unsigned integer",
        (1, _) => "negative integer",
        (2, _) => "byte string",
        (3, _) => "text string",
        (4, _) => "array",
        (5, _) => "map",
        (6, _) => "tag",
        (_, 20 | 21) => "boolean",
        (_, 22) => "null",
        (_, 25..=27) => "float",
        (_, 31) => "break",
        _ => "simple value",
    }
}

/// A reader of consecutive data items in a range of the document.
pub(super) struct Reader<'a> {
    input: &'a [u8],
    position: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    /// Creates a reader of `range` of `input`. If `range` exceeds the input, reading fails as for truncated
    /// input.
    pub(super) fn new(input: &'a [u8], range: Range<usize>) -> Self {
        Self { input, position: range.start, end: range.end.min(input.len()) }
    }

    /// Returns the number of unread bytes.
    pub(super) fn remaining(&self) -> usize {
        self.end.saturating_sub(self.position)
    }

    /// Returns the next byte without reading it.
    pub(super) fn peek(&self) -> Option<u8> {
        if self.remaining() == 0 { None } else { self.input.get(self.position).copied() }
    }

    fn fail<T>(&self, fault: CborFault) -> Result<T, CborError> {
        Err(CborError { offset: self.position, fault })
    }

    /// Consumes `byte` if it is next.
    pub(super) fn take_if(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        if is_next {
            self.position += 1;
        }
        is_next
    }

    /// Consumes a null if one is next.
    pub(super) fn take_null(&mut self) -> bool {
        self.take_if(NULL)
    }

    fn advance(&mut self, length: u64) -> Result<Range<usize>, CborError> {
        match usize::try_from(length) {
            Ok(length) if length <= self.remaining() => {
                let start = self.position;
                self.position += length;
                Ok(start..self.position)
            }
            _ => self.fail(CborFault::Truncated),
        }
    }

    fn slice(&self, range: Range<usize>) -> &'a [u8] {
        self.input.get(range).unwrap_or_default()
    }

    fn head(&mut self) -> Result<Head, CborError> {
        let start = self.position;
        let Some(initial) = self.peek() else { return self.fail(CborFault::Truncated) };
        self.position += 1;
        let additional = initial & 0x1f;
        let argument = match additional {
            0..=23 => Some(u64::from(additional)),
            24..=27 => Some(self.wide_argument(start, additional - 24)?),
            31 => None,
            _ => return Err(CborError { offset: start, fault: CborFault::NotShortest }),
        };
        Ok(Head { major: initial >> 5, argument })
    }

    /// Reads an argument of `2^exponent` bytes. Rejects an integer that fits fewer bytes. The bytes of a
    /// float are not an integer, so they are not checked.
    fn wide_argument(&mut self, start: usize, exponent: u8) -> Result<u64, CborError> {
        let range = self.advance(1 << exponent)?;
        let value = self.slice(range).iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
        let is_float = self.input.get(start).is_some_and(|b| b >> 5 == SIMPLE);
        let shortest = match exponent {
            _ if is_float => true,
            0 => value >= 24,
            1 => value > u64::from(u8::MAX),
            2 => value > u64::from(u16::MAX),
            _ => value > u64::from(u32::MAX),
        };
        if shortest {
            Ok(value)
        } else {
            Err(CborError { offset: start, fault: CborFault::NotShortest })
        }
    }

    fn expect(&mut self, major: u8, expected: &'static str) -> Result<Option<u64>, CborError> {
        match self.peek() {
            None => self.fail(CborFault::Truncated),
            Some(byte) if byte >> 5 != major => {
                self.fail(CborFault::Type { expected, found: type_name(byte) })
            }
            Some(_) => Ok(self.head()?.argument),
        }
    }

    fn definite(&mut self, major: u8, expected: &'static str) -> Result<u64, CborError> {
        let offset = self.position;
        self.expect(major, expected)?
            .ok_or(CborError { offset, fault: CborFault::IndefiniteString })
    }

    /// Reads an unsigned integer.
    pub(super) fn unsigned(&mut self) -> Result<u64, CborError> {
        let offset = self.position;
        self.expect(UNSIGNED, "unsigned integer")?
            .ok_or(CborError { offset, fault: CborFault::NotShortest })
    }

    /// Reads a definite-length byte string. Returns the range of its content in the document.
    pub(super) fn bytes(&mut self) -> Result<Range<usize>, CborError> {
        let length = self.definite(BYTES, "byte string")?;
        self.advance(length)
    }

    /// Reads a definite-length text string, which must be UTF-8. Returns the range of its content.
    pub(super) fn text(&mut self) -> Result<Range<usize>, CborError> {
        let length = self.definite(TEXT, "text string")?;
        let offset = self.position;
        let range = self.advance(length)?;
        match std::str::from_utf8(self.slice(range.clone())) {
            Ok(_) => Ok(range),
            Err(_) => Err(CborError { offset, fault: CborFault::Utf8 }),
        }
    }

    /// Begins a map of definite or indefinite length.
    pub(super) fn map(&mut self) -> Result<Items, CborError> {
        Ok(self.expect(MAP, "map")?.map_or(Items::UntilBreak, Items::Left))
    }

    /// Begins an array of definite or indefinite length.
    pub(super) fn array(&mut self) -> Result<Items, CborError> {
        Ok(self.expect(ARRAY, "array")?.map_or(Items::UntilBreak, Items::Left))
    }

    /// Returns whether another entry follows. Consumes the break code, which ends a map or an array of indefinite
    /// length.
    pub(super) fn more(&mut self, items: &mut Items) -> bool {
        match items {
            Items::Left(0) => false,
            Items::Left(left) => {
                *left -= 1;
                true
            }
            Items::UntilBreak => !self.take_if(BREAK),
        }
    }

    /// Skips one well-formed data item of any type.
    pub(super) fn skip(&mut self) -> Result<(), CborError> {
        self.skip_nested(0)
    }

    fn skip_nested(&mut self, depth: usize) -> Result<(), CborError> {
        if depth > MAX_DEPTH {
            return self.fail(CborFault::Depth);
        }
        match self.peek() {
            Some(BREAK) => {
                return self.fail(CborFault::Type { expected: "data item", found: "break" });
            }
            Some(byte) if byte >> 5 == TEXT => return self.text().map(drop),
            Some(byte) if byte >> 5 == BYTES => return self.bytes().map(drop),
            // Unassigned simple values, and simple values of two bytes, which are malformed below 32 (RFC
            // 8949 section 3.3). Other decoders reject both kinds.
            Some(0xe0..=0xf3 | 0xf8) => return self.fail(CborFault::SimpleValue),
            _ => {}
        }
        let head = self.head()?;
        let (items_each, mut items) = match (head.major, head.argument) {
            (ARRAY, count) => (1, count.map_or(Items::UntilBreak, Items::Left)),
            (MAP, count) => (2, count.map_or(Items::UntilBreak, Items::Left)),
            (TAG, Some(_)) => (1, Items::Left(1)),
            (_, Some(_)) => return Ok(()),
            (_, None) => return self.fail(CborFault::NotShortest),
        };
        while self.more(&mut items) {
            for _ in 0..items_each {
                self.skip_nested(depth + 1)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "cbor_tests.rs"]
mod tests;
