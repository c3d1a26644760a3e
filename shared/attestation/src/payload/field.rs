//! One field of the payload during parsing.

use crate::cbor::Reader;
use crate::malformed_document::MalformedDocument;

/// A field: not read yet, null, or a value.
pub(super) enum Field<T> {
    Unread,
    Null,
    Value(T),
}

impl<T> Field<T> {
    /// Reads the field's value with `read`, or null. A second occurrence of the field is an error.
    pub(super) fn read(
        &mut self,
        field: &'static str,
        reader: &mut Reader<'_>,
        read: impl FnOnce(&mut Reader<'_>) -> Result<T, MalformedDocument>,
    ) -> Result<(), MalformedDocument> {
        if !matches!(self, Self::Unread) {
            return Err(MalformedDocument::DuplicateField { field });
        }
        *self = if reader.take_null() { Self::Null } else { Self::Value(read(reader)?) };
        Ok(())
    }

    /// Returns the value of an optional field. Null counts as absent.
    pub(super) fn optional(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Unread | Self::Null => None,
        }
    }

    /// Returns the value of a mandatory field.
    pub(super) fn required(self, field: &'static str) -> Result<T, MalformedDocument> {
        self.optional().ok_or(MalformedDocument::MissingField { field })
    }
}
