//! The error of opening a `CiphertextForRecipient`.

use thiserror::Error;

/// A reason why a `CiphertextForRecipient` cannot be opened.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum OpenError {
    /// The ciphertext ends too early.
    #[error("the ciphertext is truncated")]
    Truncated,
    /// The ciphertext does not contain the expected element.
    #[error("the ciphertext is not CMS EnvelopedData as KMS writes it: {element} expected")]
    Unexpected {
        /// The expected element.
        element: &'static str,
    },
    /// An element has a length that is not allowed.
    #[error("the ciphertext's {element} has a length that is not allowed")]
    Length {
        /// The element.
        element: &'static str,
    },
    /// Bytes follow the last element.
    #[error("bytes follow the ciphertext's {element}")]
    TrailingBytes {
        /// The element.
        element: &'static str,
    },
    /// The key encryption is not RSAES-OAEP with SHA-256. The default of RSAES-OAEP is SHA-1.
    #[error("the content key is not encrypted with RSAES-OAEP and SHA-256 (RSAES_OAEP_SHA_256)")]
    KeyEncryption,
    /// The ciphertext is sealed to another key.
    #[error("the ciphertext is sealed to another key (its subjectKeyIdentifier differs)")]
    OtherRecipient,
    /// The key, the content or its padding is wrong. The error does not name the wrong part, because that
    /// would be a padding oracle.
    #[error("the ciphertext cannot be decrypted with this key")]
    Decryption,
}
