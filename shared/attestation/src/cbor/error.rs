//! The error of the CBOR reader.

use thiserror::Error;

/// An error in the CBOR of an attestation document, with its offset.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{fault} at offset {offset}")]
pub struct CborError {
    /// Offset into the document, in bytes.
    pub offset: usize,
    /// The fault at that offset.
    pub fault: CborFault,
}

/// A fault in CBOR.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum CborFault {
    /// The input ends too early, or a length reaches beyond its end.
    #[error("the CBOR is cut short")]
    Truncated,
    /// A length or number is in more bytes than it needs, or in a reserved encoding.
    #[error("a CBOR length or number is not in its shortest form")]
    NotShortest,
    /// A string is chunked, that is, of indefinite length.
    #[error("a CBOR string has indefinite length")]
    IndefiniteString,
    /// A value has another type than the field.
    #[error("expected CBOR type {expected}, found {found}")]
    Type {
        /// The type of the field.
        expected: &'static str,
        /// The type of the value.
        found: &'static str,
    },
    /// A text string is not UTF-8.
    #[error("a CBOR text string is not UTF-8")]
    Utf8,
    /// A simple value has no meaning, or is not well-formed.
    #[error("a CBOR simple value is none of false, true, null and undefined")]
    SimpleValue,
    /// The nesting is deeper than in any genuine document.
    #[error("the CBOR is nested too deeply")]
    Depth,
}
