//! The error of the opener and of its reader.

use thiserror::Error;

/// A reason why an envelope does not open.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum OpenError {
    /// The envelope ends too early.
    #[error("the envelope is cut short")]
    Truncated,
    /// The envelope holds another element than the expected one.
    #[error("the envelope is no CMS EnvelopedData of the form KMS sends: {element} expected")]
    Unexpected {
        /// The expected element.
        element: &'static str,
    },
    /// An element has a length that it cannot have.
    #[error("the envelope's {element} has a length that is not allowed")]
    Length {
        /// The element.
        element: &'static str,
    },
    /// Bytes follow an element that must be the last.
    #[error("bytes are left over after the envelope's {element}")]
    TrailingBytes {
        /// The element.
        element: &'static str,
    },
    /// The key encryption is not RSAES-OAEP with SHA-256. OAEP itself defaults to SHA-1.
    #[error("the content key is not encrypted with RSAES-OAEP and SHA-256 (RSAES_OAEP_SHA_256)")]
    KeyEncryption,
    /// The envelope is sealed to another key.
    #[error("the envelope is sealed to another key (its subjectKeyIdentifier differs)")]
    OtherRecipient,
    /// The key, the content or its padding is wrong. The error does not tell which, because a padding
    /// oracle would.
    #[error("the envelope does not open with this key")]
    Decryption,
}
