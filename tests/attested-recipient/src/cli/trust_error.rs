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
    (0, "every URL is an enclave as asked for; the bundle is written"),
    (FAILED, "unreachable, no TLS, no answer, or nowhere to say what was found"),
    (USAGE, "used wrongly, or a file cannot be read or written"),
    (UNVERIFIED, "no attestation document that verifies under AWS's root"),
    (SIMULATOR, "a simulator, and no --simulator"),
    (DEBUG_MODE, "an enclave in debug mode"),
    (STALE, "a document for another nonce (replayed), or too old"),
    (MEASUREMENT_MISMATCH, "another measurement than expected"),
    (NO_AUTHORITY, "the document attests no TLS authority"),
    (TLS_NOT_BOUND, "TLS does not end at the attested authority: a man in the middle"),
];

/// What the command's help ends with.
pub(super) fn exit_status_help() -> String {
    let mut help = "Exit status:".to_owned();
    for (status, meaning) in EXIT_STATUSES {
        help.push_str(&format!("\n  {status:>2}  {meaning}"));
    }
    help.push_str("\n\nWithout status 0 no file is written, and an existing one stays as it is.");
    help
}

/// Why an URL's authority is not to be trusted.
#[derive(Debug, Error)]
pub(super) enum TrustError {
    /// Nobody listens there, or nothing leads there.
    #[error("unreachable: {0}")]
    Unreachable(io::Error),
    /// The TLS library, or the source of randomness.
    #[error("this machine cannot do it: {0}")]
    LocalResource(String),
    /// Bytes that are no TLS.
    #[error(
        "what answers there speaks no TLS: is this the enclave's own port, and is [tls] mode not off?"
    )]
    NotTls,
    /// No TLS that both ends can speak, or an end in the middle of it.
    #[error("the TLS handshake fails: {0}")]
    Handshake(io::Error),
    /// The connection breaks, or bytes that are no HTTP.
    #[error("no answer: {0}")]
    Http(String),
    /// An answer that says no.
    #[error("no attestation document: it answers with HTTP {status}: {text}")]
    Status {
        status: u16,
        /// The beginning of what it says.
        text: String,
    },
    /// More than any document has.
    #[error("the answer has more than {limit} bytes, which no attestation document has")]
    BodyTooLong { limit: usize },
    /// Somebody takes his time.
    #[error("not done within {} s: nothing is known of it (--timeout)", .0.as_secs())]
    TimedOut(Duration),
    /// The enclave has others to answer first, or hangs.
    #[error(
        "not done within {} s: it can be reached and gave no attestation document (HTTP 429, too many \
         requests: {throttled} times): too many clients ask it for one, or it hangs; try again, or give \
         it more time (--timeout)",
        .limit.as_secs()
    )]
    Throttled {
        limit: Duration,
        /// Number of attempts that it throttled.
        throttled: u32,
    },
    /// Bytes that are no document.
    #[error("the answer is no attestation document: {0}")]
    Malformed(#[from] MalformedDocument),
    /// What a simulator has to verify its documents.
    #[error("the simulator's root is no certificate in PEM")]
    InvalidRoot,
    /// Not AWS's.
    #[error(
        "the attestation document does not verify: {0}; nothing says that this is an enclave: do not \
         trust it (AWS's other partitions have roots of their own: --root)"
    )]
    Unverified(UntrustedDocument),
    /// It says so itself.
    #[error(
        "this is a simulator, which signs what anybody asks for: it proves nothing; only for a test \
         of your own, admit it with --simulator"
    )]
    Simulator,
    /// PCR0, 1 and 2 are zero.
    #[error(
        "the enclave runs in debug mode (PCR0, PCR1 and PCR2 are zero): its parent reads its console, \
         its measurements mean nothing; start it without --debug-mode"
    )]
    DebugMode,
    /// Somebody showed what he had.
    #[error(
        "the attestation document was made for another nonce than the one that was just sent: \
         somebody replays an old one; ask the enclave itself"
    )]
    Replayed,
    /// Nobody waits as long for an answer; or one of the clocks is wrong.
    #[error(
        "the attestation document is not of now: {0}; somebody replays it, or the clock here or there \
         is wrong"
    )]
    Stale(UntrustedDocument),
    /// Not the image, configuration or instance that was asked for.
    #[error(
        "another measurement than expected: {0}; it is another enclave, or a wrong expectation"
    )]
    MeasurementMismatch(String),
    /// TLS may end anywhere.
    #[error(
        "the enclave attests no TLS authority ({0}): its TLS is off, or of [tls] mode \"provided\", and \
         may end outside; set mode = \"attested\", or trust who issued its certificate by other means"
    )]
    NoAuthority(BindingError),
    /// A man in the middle.
    #[error(
        "man in the middle: this TLS connection does not end in the enclave whose document it shows: \
         {0}; whoever ends it reads everything: let TCP through to the enclave, untouched"
    )]
    TlsNotBound(TlsChainError),
    /// A man in the middle with certificates that everybody can have.
    #[error(
        "man in the middle: who answers does not hold the key of the certificate that he shows (the \
         handshake's signature does not verify): let TCP through to the enclave, untouched"
    )]
    HandshakeSignature,
}

/// Why a document binds no authority.
#[derive(Clone, Copy, Debug, Error)]
pub(super) enum BindingError {
    #[error("its document has no user_data")]
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
