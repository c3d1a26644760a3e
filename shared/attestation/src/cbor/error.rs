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
    /// The input ends too early, or a length exceeds it.
    #[error("the CBOR is truncated")]
    Truncated,
    /// A length or number uses more bytes than it needs, or a reserved encoding.
    #[error("a CBOR length or number is not in its shortest form")]
    NotShortest,
    /// A string has an indefinite length, that is, consists of chunks.
    #[error("a CBOR string has indefinite length")]
    IndefiniteString,
    /// A value has a type that the field does not allow.
    #[error("expected CBOR type {expected}, found {found}")]
    Type {
        /// The type that the field requires.
        expected: &'static str,
        /// The type of the value.
        found: &'static str,
    },
    /// A text string is not UTF-8.
    #[error("a CBOR text string is not UTF-8")]
    Utf8,
    /// A simple value is unassigned or not well-formed.
    #[error("a CBOR simple value is none of false, true, null and undefined")]
    SimpleValue,
    /// The nesting is deeper than in any genuine document.
    #[error("the CBOR is nested too deeply")]
    Depth,
}
