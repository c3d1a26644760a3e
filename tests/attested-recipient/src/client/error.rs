//! The error of the client.

use std::time::Duration;

use thiserror::Error;

/// Time limit for a request with all its attempts.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The service cannot be reached.
    #[error("the request to {url} failed: {error}")]
    Transport {
        /// Where it should be.
        url: String,
        /// Why not.
        error: Box<ureq::Error>,
    },
    /// Its TLS ends at another authority than those that are trusted.
    #[error(
        "{url}: the server's certificate is not from a trusted authority: the enclave restarted, \
         or another server answers at this address; verify it again with `attested-recipient \
         trust`"
    )]
    UnknownAuthority {
        /// Where it should be.
        url: String,
    },
    /// The service refuses.
    #[error("{error_type}: {message}")]
    Rejected {
        /// The name of the KMS error.
        error_type: String,
        /// Its message.
        message: String,
    },
    /// TLS, and no certificate authority to know the service by.
    #[error(
        "{url}: https requires the enclave's CA certificate: pass the file that \
         `attested-recipient trust` writes to `Client::with_ca_certificates`"
    )]
    NoAuthority {
        /// The endpoint.
        url: String,
    },
    /// What was to be trusted is no certificate authority.
    #[error("invalid CA certificates ({0}): expected PEM, as `attested-recipient trust` writes it")]
    InvalidAuthority(&'static str),
    /// The endpoint attests nothing.
    #[error(
        "{url} is not a simulator, so it signs no attestation documents: use the URL of a \
         simulator, or run this inside an enclave, which has /dev/nsm"
    )]
    NotASimulator {
        /// The endpoint.
        url: String,
    },
    /// The service answers others first.
    #[error(
        "{url}: throttled {throttled} times within {} s (HTTP 429): the service is overloaded; \
         try again later",
        TIMEOUT.as_secs()
    )]
    Throttled {
        /// What was asked for.
        url: String,
        /// Number of attempts.
        throttled: u32,
    },
    /// The answer is not what the service sends.
    #[error(
        "the response (HTTP {status}) does not have the form of a KMS response: check the \
         endpoint URL"
    )]
    Malformed {
        /// Its HTTP status.
        status: u16,
    },
    /// The answer came in the clear, although a Recipient was sent. An intermediary removed it: these bytes
    /// are not secret.
    #[error(
        "the response contains a Plaintext although the request had a Recipient: the bytes are \
         not sealed and may have been read in transit, so the response is rejected"
    )]
    NotSealed,
}
