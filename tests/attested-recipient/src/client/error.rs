//! The error of the client.

use std::time::Duration;

use thiserror::Error;

/// Time limit for a request with all its attempts.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The service cannot be reached.
    #[error("{url}: {error}")]
    Transport {
        /// Where it should be.
        url: String,
        /// Why not.
        error: Box<ureq::Error>,
    },
    /// Its TLS ends at another authority than those that are trusted.
    #[error(
        "{url}: its certificate is of no authority that is trusted: the enclave has restarted, or \
         somebody else answers there; verify it anew with attested-recipient trust"
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
        "{url}: https needs the certificate authority of the enclave (`Client::with_ca_certificates`), which \
         `attested-recipient trust` verifies and writes"
    )]
    NoAuthority {
        /// The endpoint.
        url: String,
    },
    /// What was to be trusted is no certificate authority.
    #[error(
        "{0}: expected certificate authorities in PEM, as `attested-recipient trust` writes them"
    )]
    InvalidAuthority(&'static str),
    /// The endpoint attests nothing.
    #[error(
        "{url} is no simulator: it signs no attestation documents; inside an enclave they come from \
         /dev/nsm"
    )]
    NotASimulator {
        /// The endpoint.
        url: String,
    },
    /// The service answers others first.
    #[error(
        "{url}: throttled {throttled} times within {} s (HTTP 429): too many clients ask; try again later",
        TIMEOUT.as_secs()
    )]
    Throttled {
        /// What was asked for.
        url: String,
        /// Number of attempts.
        throttled: u32,
    },
    /// The answer is not what the service sends.
    #[error("the answer (HTTP {status}) is not of the form that KMS sends")]
    Malformed {
        /// Its HTTP status.
        status: u16,
    },
    /// The answer came in the clear, although a Recipient was sent. An intermediary removed it: these bytes
    /// are not secret.
    #[error(
        "the answer carries a Plaintext although a Recipient was sent: it was not sealed, somebody \
         else may know these bytes; refused"
    )]
    NotSealed,
}
