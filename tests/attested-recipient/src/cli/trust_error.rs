//! Reasons why `trust` rejects an URL, and the exit status of each.

use std::io;
use std::time::Duration;

use attestation::tls::{InvalidBinding, TlsChainError};
use attestation::{MalformedDocument, Rule, UntrustedDocument};
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

/// Each exit status, and what is said of it in the command's help.
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

/// What the command's help ends with.
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

/// Why an URL's authority is not to be trusted.
#[derive(Debug, Error)]
pub(super) enum TrustError {
    /// Nobody listens there, or nothing leads there.
    #[error("cannot connect: {0}; check the address and the port")]
    Unreachable(io::Error),
    /// The TLS library, or the source of randomness.
    #[error("a local resource failed: {0}")]
    LocalResource(String),
    /// Bytes that are no TLS.
    #[error(
        "the server does not use TLS: check that the port is the enclave's TLS port and that \
         [tls] mode is not \"off\""
    )]
    NotTls,
    /// No TLS that both ends can speak, or an end in the middle of it.
    #[error("the TLS handshake failed: {0}")]
    Handshake(io::Error),
    /// The connection breaks, or bytes that are no HTTP.
    #[error("no HTTP response: {0}")]
    Http(String),
    /// An answer that says no.
    #[error("no attestation document: the server returned HTTP {status}: {text}")]
    Status {
        status: u16,
        /// The beginning of what it says.
        text: String,
    },
    /// More than any document has.
    #[error("the response is longer than {limit} bytes, the limit for an attestation document")]
    BodyTooLong { limit: usize },
    /// Somebody takes his time.
    #[error("timed out after {} s without a result: check the address, or allow more time with \
             --timeout", .0.as_secs())]
    TimedOut(Duration),
    /// The enclave has others to answer first, or hangs.
    #[error(
        "timed out after {} s: the enclave is reachable but returned no attestation document \
         (HTTP 429, too many requests: {throttled} times); it is overloaded or hangs; try again, \
         or allow more time with --timeout",
        .limit.as_secs()
    )]
    Throttled {
        limit: Duration,
        /// Number of attempts that it throttled.
        throttled: u32,
    },
    /// Bytes that are no document.
    #[error("the response is not an attestation document: {0}")]
    Malformed(#[from] MalformedDocument),
    /// What a simulator has to verify its documents.
    #[error("the simulator's root certificate is not valid PEM")]
    InvalidRoot,
    /// Not AWS's.
    #[error(
        "the attestation document does not verify: {0}; do not trust this server, which may not \
         be an enclave (AWS partitions with other roots: add the root with --root)"
    )]
    Unverified(UntrustedDocument),
    /// It says so itself.
    #[error(
        "this is a simulator, which signs any document and proves nothing; accept it with \
         --simulator, in tests only"
    )]
    Simulator,
    /// PCR0, 1 and 2 are zero.
    #[error(
        "the enclave runs in debug mode (PCR0, PCR1 and PCR2 are zero): its parent instance can \
         read its console, and its measurements prove nothing; start it without --debug-mode"
    )]
    DebugMode,
    /// Somebody showed what he had.
    #[error(
        "the attestation document was issued for another nonce than the one sent: an old document \
         was replayed; connect to the enclave directly"
    )]
    Replayed,
    /// Nobody waits as long for an answer; or one of the clocks is wrong.
    #[error(
        "the attestation document is not current: {0}; an old document was replayed, or the clock \
         of this machine or of the enclave is wrong"
    )]
    Stale(UntrustedDocument),
    /// Not the image, configuration or instance that was asked for.
    #[error("unexpected measurement: {0}; this is another enclave, or the expected value is wrong")]
    MeasurementMismatch(String),
    /// TLS may end anywhere.
    #[error(
        "the enclave attests no TLS authority ({0}): its TLS is off, or [tls] mode is \
         \"provided\" and TLS may end outside the enclave; set mode = \"attested\", or verify the \
         certificate by other means"
    )]
    NoAuthority(BindingError),
    /// A man in the middle.
    #[error(
        "man in the middle: this TLS connection does not end in the enclave whose document it \
         presents: {0}; the TLS endpoint can read all data; forward TCP to the enclave unchanged"
    )]
    TlsNotBound(TlsChainError),
    /// A man in the middle with certificates that everybody can have.
    #[error(
        "man in the middle: the server does not hold the key of the certificate that it presents \
         (the handshake signature does not verify); forward TCP to the enclave unchanged"
    )]
    HandshakeSignature,
}

/// Why a document binds no authority.
#[derive(Clone, Copy, Debug, Error)]
pub(super) enum BindingError {
    #[error("the document has no user_data")]
    Missing,
    #[error(transparent)]
    Invalid(#[from] InvalidBinding),
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
            // A document of yesterday has certificates of yesterday.
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
