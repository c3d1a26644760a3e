//! The parameters of the Authorization header.

use std::fmt;

/// A parameter of the Authorization header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// The access key ID and the scope.
    Credential,
    /// The names of the signed headers.
    SignedHeaders,
    /// The signature.
    Signature,
}

impl fmt::Display for Parameter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Credential => "Credential",
            Self::SignedHeaders => "SignedHeaders",
            Self::Signature => "Signature",
        })
    }
}
