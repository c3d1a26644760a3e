//! The reasons for which the HTTP server rejects a request before the application handles the request.

use thiserror::Error;
use transport::limits::MAX_BODY_LENGTH;

/// A rule of HTTP that a request violates.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum HttpError {
    /// The request has a Transfer-Encoding header.
    #[error("Transfer-Encoding is not supported; send the body with Content-Length")]
    TransferEncoding,
    /// The request has no Host header, or more than one Host header.
    #[error("a request must have exactly one Host header")]
    Host,
    /// Host differs from the authority of the request target.
    #[error("the Host header must match the authority of the request target")]
    HostOfTarget,
    /// The body is longer than the limit.
    #[error("The request body exceeds {MAX_BODY_LENGTH} bytes.")]
    BodyTooLong,
}
