//! A reader for the BER (X.690) of EnvelopedData: definite and indefinite lengths, single-byte tags.

use super::open_error::OpenError;

/// A reader of consecutive elements.
pub(super) struct Reader<'a> {
    input: &'a [u8],
    /// True if the enclosing element has an indefinite length, that is, ends with end-of-contents.
    indefinite: bool,
}

/// The content of an element. The end of indefinite content is known only after it was read.
pub(super) enum Content<'a> {
    Definite(&'a [u8]),
    Indefinite,
}

const END_OF_CONTENTS: [u8; 2] = [0, 0];

impl<'a> Reader<'a> {
    pub(super) fn new(input: &'a [u8]) -> Self {
        Self { input, indefinite: false }
    }

    /// Returns the tag of the next element, or `None` at the end of the enclosing one.
    pub(super) fn peek(&self) -> Option<u8> {
        match self.input.first() {
            Some(0) if self.indefinite => None,
            tag => tag.copied(),
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], OpenError> {
        let (taken, rest) = self.input.split_at_checked(length).ok_or(OpenError::Truncated)?;
        self.input = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, OpenError> {
        self.take(1)?.first().copied().ok_or(OpenError::Truncated)
    }

    fn header(&mut self, tag: u8, element: &'static str) -> Result<Content<'a>, OpenError> {
        if self.byte()? != tag {
            return Err(OpenError::Unexpected { element });
        }
        let length = match self.byte()? {
            0x80 => return Ok(Content::Indefinite),
            short @ 0..=0x7f => usize::from(short),
            0x81 => usize::from(self.byte()?),
            0x82 => usize::from(self.byte()?) << 8 | usize::from(self.byte()?),
            // Lengths encoded in more than two bytes (above 65,535) are rejected: a CiphertextForRecipient has
            // at most 6,144 bytes.
            _ => return Err(OpenError::Length { element }),
        };
        self.take(length).map(Content::Definite)
    }

    /// Reads the content of a primitive element.
    pub(super) fn primitive(
        &mut self,
        tag: u8,
        element: &'static str,
    ) -> Result<&'a [u8], OpenError> {
        match self.header(tag, element)? {
            Content::Definite(content) => Ok(content),
            Content::Indefinite => Err(OpenError::Length { element }),
        }
    }

    /// Reads a constructed element with `read`, which must consume all of its content.
    pub(super) fn constructed<T>(
        &mut self,
        tag: u8,
        element: &'static str,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, OpenError>,
    ) -> Result<T, OpenError> {
        match self.header(tag, element)? {
            Content::Definite(content) => {
                let mut inner = Reader::new(content);
                let value = read(&mut inner)?;
                inner.finish(element)?;
                Ok(value)
            }
            Content::Indefinite => {
                let mut inner = Reader { input: self.input, indefinite: true };
                let value = read(&mut inner)?;
                if inner.take(END_OF_CONTENTS.len())? != END_OF_CONTENTS {
                    return Err(OpenError::TrailingBytes { element });
                }
                self.input = inner.input;
                Ok(value)
            }
        }
    }

    /// Checks that all input was read.
    pub(super) fn finish(&self, element: &'static str) -> Result<(), OpenError> {
        if self.input.is_empty() { Ok(()) } else { Err(OpenError::TrailingBytes { element }) }
    }
}
