//! The error of the client.

use std::time::Duration;

use thiserror::Error;

use crate::exchange::InvalidExchange;
use crate::verified_connection::{
    ClockUnavailable, ConnectionError, ErrorKind, InvalidAuthorities,
};

/// Time limit for a request, including all attempts.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);

/// An error of a request to the service.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The URL is not that of a service.
    #[error("{url}: expected https://HOST[:PORT] or http://HOST[:PORT], without a path")]
    InvalidUrl {
        /// The URL.
        url: String,
    },
    /// The request could not be sent, or the response could not be read.
    #[error("the request to {url} failed: {error}")]
    Transport {
        /// The URL of the service.
        url: String,
        /// The error of the connection.
        error: Box<ConnectionError>,
    },
    /// The server or its response is rejected: nothing proves that the expected enclave sent it.
    #[error("{url}: rejected: {error}")]
    Unverified {
        /// The URL of the service.
        url: String,
        /// The reason.
        error: Box<ConnectionError>,
    },
    /// There was no response within the time limit.
    #[error("{url}: no response within {} s", TIMEOUT.as_secs())]
    TimedOut {
        /// The URL of the service.
        url: String,
    },
    /// The service returned a KMS error. Without attested TLS, any server on the path can have sent it.
    #[error("{error_type}: {message}")]
    Rejected {
        /// The error's `__type`.
        error_type: String,
        /// The error's message.
        message: String,
    },
    /// The PEM text is malformed, contains no certificate, or contains an invalid certificate.
    #[error("invalid CA certificates ({0}): expected PEM, as `attested-recipient trust` writes it")]
    InvalidAuthority(#[from] InvalidAuthorities),
    /// The client has CA certificates, but the URL has the scheme http.
    #[error("{url}: CA certificates require https: write https://HOST:PORT")]
    AuthorityWithoutTls {
        /// The URL of the service.
        url: String,
    },
    /// The endpoint signs no attestation documents.
    #[error(
        "{url} is not a simulator, so it signs no attestation documents: use the URL of a \
         simulator, or run this inside an enclave, which has /dev/nsm"
    )]
    NotASimulator {
        /// The URL of the endpoint.
        url: String,
    },
    /// The service throttled every attempt.
    #[error(
        "{url}: throttled {throttled} times within {} s (HTTP 429): the service is overloaded; \
         try again later",
        TIMEOUT.as_secs()
    )]
    Throttled {
        /// The URL of the service.
        url: String,
        /// Number of attempts.
        throttled: u32,
    },
    /// The body does not have the form of a KMS response.
    #[error(
        "the response (HTTP {status}) does not have the form of a KMS response: check the \
         endpoint URL"
    )]
    Malformed {
        /// HTTP status of the response.
        status: u16,
    },
    /// The response contains a plaintext although the request had a Recipient. An intermediary may have
    /// removed the Recipient and read the bytes.
    #[error(
        "the response contains a Plaintext although the request had a Recipient: the bytes are \
         not sealed and may have been read in transit, so the response is rejected"
    )]
    NotSealed,
    /// The exchange cannot be stored.
    #[error("the exchange cannot be stored: {0}")]
    Exchange(#[from] InvalidExchange),
    /// This machine has no clock that can be trusted.
    #[error(transparent)]
    Clock(#[from] ClockUnavailable),
    /// The thread of the requests failed.
    #[error("the thread of the client's requests failed: {0}")]
    Thread(String),
}

impl ClientError {
    /// Returns the error for a failed connection to `url`.
    pub(super) fn of_connection(url: &str, error: ConnectionError) -> Self {
        let (url, error) = (url.to_owned(), Box::new(error));
        match error.kind() {
            ErrorKind::Rejection => Self::Unverified { url, error },
            ErrorKind::Transport | ErrorKind::Request | ErrorKind::Local => {
                Self::Transport { url, error }
            }
        }
    }
}
