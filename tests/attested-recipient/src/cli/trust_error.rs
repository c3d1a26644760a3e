//! The reasons why `trust` rejects a URL, and the exit status for each reason.

use std::io;
use std::time::Duration;

use attestation::time::HumanDuration;
use attestation::tls::TlsChainError;
use attestation::{InvalidIdentity, MalformedDocument, Rule, UntrustedDocument};
use thiserror::Error;

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const UNVERIFIED: u8 = 10;
const SIMULATOR: u8 = 11;
const DEBUG_MODE: u8 = 12;
const STALE: u8 = 13;
const MEASUREMENT_MISMATCH: u8 = 14;
const NO_AUTHORITY: u8 = 15;
const TLS_NOT_BOUND: u8 = 16;

/// Each exit status and its description in the command's help.
const EXIT_STATUSES: [(u8, &str); 10] = [
    (0, "every URL leads to an enclave that meets the requirements; the CA file is written"),
    (FAILED, "a URL is unreachable, has no TLS or does not respond; or stdout or stderr is closed"),
    (USAGE, "invalid arguments, or a file cannot be read or written"),
    (UNVERIFIED, "no attestation document that verifies under AWS's root"),
    (SIMULATOR, "a simulator, without --simulator"),
    (DEBUG_MODE, "an enclave in debug mode"),
    (STALE, "a document for another nonce (replayed), or too old"),
    (MEASUREMENT_MISMATCH, "a measurement other than expected"),
    (NO_AUTHORITY, "the document attests no TLS authority"),
    (TLS_NOT_BOUND, "TLS does not end at the attested authority: a man in the middle"),
];

/// Returns the last section of the command's help.
pub(super) fn exit_status_help() -> String {
    let mut help = "Exit status:".to_owned();
    for (status, meaning) in EXIT_STATUSES {
        help.push_str(&format!("\n  {status:>2}  {meaning}"));
    }
    help.push_str(
        "\n\nUnless the status is 0, no file is written and an existing file is unchanged.",
    );
    help
}

/// The reason why the authority of a URL is not trusted.
#[derive(Debug, Error)]
pub(super) enum TrustError {
    /// The TCP connection failed.
    #[error("cannot connect: {0}; check the address and the port")]
    Unreachable(io::Error),
    /// The TLS library or the source of randomness failed.
    #[error("a local resource failed: {0}")]
    LocalResource(String),
    /// The bytes that the server sent are not TLS.
    #[error(
        "the server does not use TLS: check that the port is the enclave's TLS port and that \
         [tls] mode is not \"off\""
    )]
    NotTls,
    /// The TLS handshake failed, for example because client and server have no common version.
    #[error("the TLS handshake failed: {0}")]
    Handshake(io::Error),
    /// The connection broke, or the server sent bytes that are not HTTP.
    #[error("no HTTP response: {0}")]
    Http(String),
    /// The server returned an HTTP error.
    #[error("no attestation document: the server returned HTTP {status}: {text}")]
    Status {
        status: u16,
        /// The beginning of the response body.
        text: String,
    },
    /// The response is longer than any document.
    #[error("the response is longer than {limit} bytes, the limit for an attestation document")]
    BodyTooLong { limit: usize },
    /// The time limit was exceeded.
    #[error(
        "timed out after {} without a result: check the address, or allow more time with --timeout",
        HumanDuration(.0.as_secs())
    )]
    TimedOut(Duration),
    /// The enclave throttled every attempt, or did not respond.
    #[error(
        "timed out after {}: the enclave is reachable but returned no attestation document (HTTP \
         429, too many requests: {throttled} times); the enclave is overloaded or hangs; try again, or \
         allow more time with --timeout",
        HumanDuration(.limit.as_secs())
    )]
    Throttled {
        limit: Duration,
        /// Number of throttled attempts.
        throttled: u32,
    },
    /// The response is not an attestation document.
    #[error("the response is not an attestation document: {0}")]
    Malformed(#[from] MalformedDocument),
    /// The simulator's root certificate, which verifies its documents, is invalid.
    #[error("the simulator's root certificate is not valid PEM")]
    InvalidRoot,
    /// The document does not verify under a trusted root.
    #[error(
        "the attestation document does not verify: {0}; do not trust this server, because it may \
         not be an enclave (if your AWS partition has another root, add the root with --root)"
    )]
    Unverified(UntrustedDocument),
    /// The document's root has the name of a simulator's root.
    #[error(
        "this is a simulator, which signs any document and proves nothing; in tests, accept the \
         simulator with --simulator"
    )]
    Simulator,
    /// PCR0, PCR1 and PCR2 are zero.
    #[error(
        "the enclave runs in debug mode (PCR0, PCR1 and PCR2 are zero): the parent instance can read \
         the console, and the measurements prove nothing; start the enclave without --debug-mode"
    )]
    DebugMode,
    /// The document contains another nonce.
    #[error(
        "the attestation document contains another nonce than the request: an old document was \
         replayed; connect to the enclave directly"
    )]
    Replayed,
    /// The document is too old or its timestamp is in the future. The document was replayed, or a
    /// clock is wrong.
    #[error(
        "the attestation document is not current: {0}; an old document was replayed, or the clock \
         of this machine or of the enclave is wrong"
    )]
    Stale(UntrustedDocument),
    /// The image, configuration or instance is not the expected one.
    #[error("unexpected measurement: {0}; this is another enclave, or the expected value is wrong")]
    MeasurementMismatch(String),
    /// The document attests no TLS authority.
    #[error("the enclave attests no TLS authority: {0}")]
    NoAuthority(NoAuthorityReason),
    /// The TLS connection does not end at the attested authority.
    #[error(
        "man in the middle: this TLS connection does not end in the enclave that signed the \
         document ({0}); the TLS endpoint can read all data; forward TCP to the enclave unchanged"
    )]
    TlsNotBound(TlsChainError),
    /// The server does not hold the key of the certificate that it presents.
    #[error(
        "man in the middle: the server does not hold the key of the certificate that it presents \
         (the handshake signature does not verify); forward TCP to the enclave unchanged"
    )]
    HandshakeSignature,
}

/// The reason why a document attests no TLS authority.
#[derive(Clone, Copy, Debug, Error)]
pub(super) enum NoAuthorityReason {
    /// The document has no `user_data`.
    #[error(
        "the document has no user_data, so it is not from GET /attestation of an enclave of this \
         version: update the enclave, or connect to it directly"
    )]
    NoUserData,
    /// `user_data` is not an identity.
    #[error("the document is not that of an enclave's identity: {0}")]
    Identity(#[from] InvalidIdentity),
    /// The identity contains no TLS authority.
    #[error(
        "user_data has no tls-ca: [tls] mode is \"off\", or it is \"provided\" and TLS may end \
         outside the enclave; set mode = \"attested\", or verify the certificate by other means"
    )]
    NoTlsCa,
}

impl TrustError {
    pub(super) const fn exit_status(&self) -> u8 {
        match self {
            Self::Unreachable(_)
            | Self::LocalResource(_)
            | Self::NotTls
            | Self::Handshake(_)
            | Self::Http(_)
            | Self::Status { .. }
            | Self::BodyTooLong { .. }
            | Self::TimedOut(_)
            | Self::Throttled { .. }
            | Self::InvalidRoot => FAILED,
            Self::Malformed(_) | Self::Unverified(_) => UNVERIFIED,
            Self::Simulator => SIMULATOR,
            Self::DebugMode => DEBUG_MODE,
            Self::Replayed | Self::Stale(_) => STALE,
            Self::MeasurementMismatch(_) => MEASUREMENT_MISMATCH,
            Self::NoAuthority(_) => NO_AUTHORITY,
            Self::TlsNotBound(_) | Self::HandshakeSignature => TLS_NOT_BOUND,
        }
    }
}

impl From<UntrustedDocument> for TrustError {
    fn from(error: UntrustedDocument) -> Self {
        match error {
            UntrustedDocument::DebugMode => Self::DebugMode,
            // The certificates of a document expire soon after its timestamp. An expired certificate
            // therefore means an old document.
            UntrustedDocument::CertificateExpired { .. } => Self::Stale(error),
            error if matches!(error.rule(), Rule::DocumentAge) => Self::Stale(error),
            error => Self::Unverified(error),
        }
    }
}

impl From<hyper::Error> for TrustError {
    fn from(error: hyper::Error) -> Self {
        Self::Http(error.to_string())
    }
}
