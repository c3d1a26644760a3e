//! AWS Nitro attestation documents: parse them, verify them, seal to the key that they carry.
//!
//! [`UnverifiedDocument::parse`] checks a document's form (rules 1 to 8 of [`Rule`]), and
//! [`UnverifiedDocument::verify_live`] its evidence (rules 9 to 17): the chain up to a [`TrustAnchors`]
//! root, the signature, the age and debug mode. Only a [`VerifiedDocument`] has claims to read and a key
//! to seal to ([`cms`]). Each rule's number stands beside the code that enforces it.
//!
//! The crate does no I/O and reads no clock: bytes, time and trust anchors are parameters. It draws
//! randomness from its crypto provider alone, which is named in [`crypto`]: the feature `aws-lc-rs`
//! (default) or `ring`.
//!
//! # Example
//!
//! ```
//! use attestation::time::UnixMillis;
//! use attestation::{ClockReading, DebugMode, MaxAge, TrustAnchors, UnverifiedDocument};
//!
//! # fn verify(bytes: Vec<u8>, now: UnixMillis) -> Result<(), Box<dyn std::error::Error>> {
//! let anchors = TrustAnchors::aws_nitro();
//! let document = UnverifiedDocument::parse(bytes)?;
//! let now = ClockReading::given(now);
//! let max_age = MaxAge::Seconds(300);
//! let document = document.verify_live(&anchors, now, max_age, DebugMode::Refuse)?;
//! println!("module {}", document.claims().module_id);
//! # Ok(())
//! # }
//! ```

#[cfg(all(production, feature = "simulator"))]
compile_error!("the feature `simulator` must not be part of a production build");

mod cache_hit;
mod caches;
mod cbor;
mod certificate;
mod chain;
mod claims;
pub mod cms;
mod cose;
pub mod crypto;
mod document;
mod envelope;
mod freshness;
mod judged_at;
mod malformed_document;
mod own;
mod payload;
mod pcr;
mod position;
mod recipient_key;
mod rule;
mod signature_cache;
pub mod time;
pub mod tls;
mod trust;
mod untrusted_document;
mod validity;
mod verifier;
mod x509;

pub use cache_hit::CacheHit;
pub use caches::CacheSizes;
pub use cbor::{CborError, CborFault};
pub use claims::Claims;
pub use document::{DebugMode, UnverifiedDocument, VerifiedDocument};
pub use envelope::MAX_DOCUMENT_LENGTH;
pub use freshness::MaxAge;
pub use judged_at::{ClockReading, JudgedAt, JudgingClock, MAX_CLOCK_SKEW_SECS};
pub use malformed_document::MalformedDocument;
pub use own::{OwnDocumentError, own_document_time};
pub use pcr::{MAX_PCRS, PCR_LENGTH, PcrFamily, PcrValue, Pcrs};
pub use position::ChainPosition;
pub use recipient_key::{RecipientKey, RecipientKeyError, check_spki};
pub use rule::Rule;
#[cfg(feature = "simulator")]
pub use trust::Simulated;
pub use trust::{AnchorError, Production, Trust, TrustAnchors};
pub use untrusted_document::UntrustedDocument;
pub use verifier::Verifier;
