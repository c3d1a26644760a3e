//! The reasons why a time stamp is rejected.

use thiserror::Error;

/// Maximum length of a time stamp, in bytes. Genuine ones have about 6,000.
pub const MAX_TIME_STAMP_LENGTH: usize = 64 * 1024;

/// The reason why a time stamp is rejected.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TimeStampError {
    /// The time stamp is too long.
    #[error("the time stamp has {length} bytes, over the maximum of {MAX_TIME_STAMP_LENGTH}")]
    TooLong {
        /// Length of the time stamp, in bytes.
        length: usize,
    },
    /// The bytes are not a token.
    #[error(
        "not a TimeStampResp or a TimeStampToken in DER with the SHA-256 digest of a file and one \
         signer (openssl ts -query -sha256 -cert)"
    )]
    Form,
    /// The authority refused the request.
    #[error("the time-stamping authority refused the request: its response has no token")]
    Refused,
    /// The token stamps other bytes.
    #[error("the time stamp is of another file")]
    OtherFile,
    /// The signature does not verify.
    #[error(
        "the signature of the time stamp verifies with no certificate in it: request the time \
         stamp with the authority's certificate (openssl ts -query -cert)"
    )]
    Signature,
    /// The certificate of the authority is not trusted.
    #[error("the certificate of the time-stamping authority is rejected: {0}")]
    Chain(webpki::Error),
    /// The root of the authority is unusable.
    #[error("the root of the time-stamping authority is not a certificate in PEM")]
    Root,
}
