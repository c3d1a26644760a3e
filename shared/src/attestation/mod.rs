//! Attestation documents: who is asking, according to the hypervisor.
//!
//! The checklist is [`Rule`]; each rule's number stands beside the code that enforces it.
//! [`UnverifiedDocument::parse`] enforces the form (1 to 8) and
//! [`verify_live`](UnverifiedDocument::verify_live) the evidence (9 to 17). Only then are there
//! claims to read, and a key to seal to.

mod cbor;
mod certificate;
mod chain;
mod cose;
mod document;
mod envelope;
mod error;
mod judged_at;
mod known;
mod own;
mod payload;
mod pcr;
mod position;
mod recipient_key;
mod rule;
mod trust;
mod verifier;
mod x509;

pub use cbor::{CborError, CborFault};
pub use document::{
    Claims, DebugMode, MAX_CLOCK_SKEW_SECS, MaxAge, UnverifiedDocument, VerifiedDocument,
};
pub use envelope::MAX_DOCUMENT_LENGTH;
pub use error::{MalformedDocument, UntrustedDocument};
pub use judged_at::{ClockReading, JudgedAt, JudgingClock};
pub use own::{OwnDocumentError, own_document_time};
pub use pcr::{MAX_PCRS, PCR_LENGTH, PcrFamily, PcrValue, Pcrs};
pub use position::ChainPosition;
pub use recipient_key::{RecipientKey, RecipientKeyError, check_spki};
pub use rule::Rule;
#[cfg(feature = "simulator")]
pub use trust::Simulated;
pub use trust::{AnchorError, Production, Trust, TrustAnchors};
pub use verifier::{CacheSizes, Familiarity, Verifier};
