//! The error of the CBOR reader.

use thiserror::Error;

/// Why bytes are not the CBOR that attestation documents are made of, and at which offset.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("{fault} at offset {offset}")]
pub struct CborError {
    /// Offset into the document, in bytes.
    pub offset: usize,
    /// What is wrong there.
    pub fault: CborFault,
}

/// What a [`CborError`] found.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum CborFault {
    /// The input ends, or a length reaches, past its end.
    #[error("the CBOR is cut short")]
    Truncated,
    /// A length or number in more bytes than it needs, or a reserved encoding.
    #[error("a CBOR length or number is not in its shortest form")]
    NotShortest,
    /// A chunked (indefinite-length) string.
    #[error("a CBOR string has indefinite length")]
    IndefiniteString,
    /// Another type than the one the field has.
    #[error("expected CBOR type {expected}, found {found}")]
    Type {
        /// The type the field has.
        expected: &'static str,
        /// The type that is there.
        found: &'static str,
    },
    /// A text string that is not UTF-8.
    #[error("a CBOR text string is not UTF-8")]
    Utf8,
    /// A simple value without a meaning, or in an encoding that is not well-formed.
    #[error("a CBOR simple value is none of false, true, null and undefined")]
    SimpleValue,
    /// Nested deeper than any genuine document.
    #[error("the CBOR is nested too deeply")]
    Depth,
}
