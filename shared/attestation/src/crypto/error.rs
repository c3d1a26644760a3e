//! The error of every cryptographic operation.

use thiserror::Error;

/// The failure of a cryptographic operation. By design it contains no reason.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the cryptographic operation failed")]
pub struct CryptoError;
