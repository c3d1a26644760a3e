//! The error of the client.

use std::time::Duration;

use thiserror::Error;

/// Time limit for a request, including all attempts.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);

/// An error of a request to the service.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The request could not be sent, or the response could not be read.
    #[error("the request to {url} failed: {error}")]
    Transport {
        /// The requested URL.
        url: String,
        /// The error of the HTTP client.
        error: Box<ureq::Error>,
    },
    /// The client does not trust the authority that issued the server's certificate.
    #[error(
        "{url}: the server's certificate is not from a trusted authority: the enclave restarted, \
         or another server answers at this address; verify it again with `attested-recipient \
         trust`"
    )]
    UnknownAuthority {
        /// The requested URL.
        url: String,
    },
    /// The service returned a KMS error.
    #[error("{error_type}: {message}")]
    Rejected {
        /// The error's `__type`.
        error_type: String,
        /// The error's message.
        message: String,
    },
    /// The URL has the scheme https, but the client trusts no certificate authority.
    #[error(
        "{url}: https requires the enclave's CA certificate: pass the file that \
         `attested-recipient trust` writes to `Client::with_ca_certificates`"
    )]
    NoAuthority {
        /// The requested URL.
        url: String,
    },
    /// The PEM text is malformed, contains no certificate, or contains an invalid certificate.
    #[error("invalid CA certificates ({0}): expected PEM, as `attested-recipient trust` writes it")]
    InvalidAuthority(&'static str),
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
        /// The requested URL.
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
}
