//! Verification of AWS Nitro attestation documents, and encryption to the keys in them.
//!
//! A document comes from a Nitro Enclave, or from an EC2 instance with a NitroTPM. A verified document proves
//! that its sender has the measurements (PCRs) in the document. It also proves that `public_key`, `user_data`
//! and `nonce` were attested together with these measurements.
//!
//! # Example
//!
//! ```
//! # use attestation::{TrustAnchors, time::UnixMillis};
//! # use simulator::{DocumentRequest, SimulatedPki, default_pcrs};
//! use attestation::{ClockReading, DebugMode, MaxAge, PcrFamily, UnverifiedDocument};
//!
//! # let now = UnixMillis::from_secs(1_800_000_000);
//! # let pki = SimulatedPki::new(std::sync::Arc::new(move || now))?;
//! # let anchors = TrustAnchors::simulator_root(pki.root_certificate());
//! # let pcrs = default_pcrs(PcrFamily::NitroEnclave);
//! # let expected_pcr0 = pcrs[&0];
//! # let bytes = pki.document(DocumentRequest {
//! #     family: PcrFamily::NitroEnclave,
//! #     pcrs,
//! #     public_key: None,
//! #     user_data: None,
//! #     nonce: Some(b"fresh".to_vec()),
//! #     age_seconds: 2,
//! # })?;
//! // `bytes` is the received document, `now` is the time in milliseconds since the Unix epoch, and
//! // `anchors` is `TrustAnchors::aws_nitro()`, or a simulator's root in tests.
//! let document = UnverifiedDocument::parse(bytes)?;
//! let now = ClockReading::given(now);
//! let document = document.verify_live(&anchors, now, MaxAge::Seconds(300), DebugMode::Reject)?;
//!
//! let (claims, pcrs) = (document.claims(), document.claims().pcrs());
//! assert_eq!(claims.nonce(), Some(&b"fresh"[..]));
//! assert_eq!(pcrs.family(), PcrFamily::NitroEnclave);
//! assert_eq!(pcrs.value(0), Some(&expected_pcr0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # States of a document
//!
//! | Type | Checks that passed | Operations |
//! |---|---|---|
//! | bytes | none | [`UnverifiedDocument::parse`] |
//! | [`UnverifiedDocument`] | rules 1 to 8 (form) | [`verify_live`](UnverifiedDocument::verify_live), [`verify_at_document_time`](UnverifiedDocument::verify_at_document_time) |
//! | [`VerifiedDocument<T>`](VerifiedDocument) | rules 1 to 17 (form and evidence), under the trust anchors of `T` | reading its [`Claims`], sealing to its [`RecipientKey`] ([`cms`]) |
//!
//! `T` is [`Production`] or, with the feature `simulator`, `Simulated`. Code that passes a
//! simulated document as a `VerifiedDocument<Production>` therefore does not compile. `Production` trusts
//! AWS's root and every root that the program adds. `verify_live` and `verify_at_document_time` return the same
//! type, but only `verify_live` checks the age (rule 14). A [`Verifier`] checks the same rules as
//! `verify_live`, and caches the signatures that verified.
//!
//! # The checklist
//!
//! [`Rule`] lists the 17 rules in the order of their checks. The cheap checks come first: sizes, counts and
//! times come before any signature. [`MalformedDocument::rule`] and [`UntrustedDocument::rule`] return the
//! rule that a rejected document breaks.
//!
//! # Limitations
//!
//! - The crate performs no I/O and reads no clock: bytes, time and trust anchors are parameters. Randomness
//!   comes from the crypto provider, and for sealing from the caller.
//! - A verified document is authentic, not authorized. The caller compares the PCR family, the PCRs, the
//!   nonce and `user_data` with its expectations.
//! - [`nsm_timestamp()`], [`ClockReading::enclave`] and [`tls`] are for programs inside an enclave and for
//!   their clients. A program that only verifies documents does not need them.
//! - Certificate revocation lists are not checked. AWS's certificates contain the URLs of such lists, but the
//!   crate performs no I/O.
//! - [`TrustAnchors::aws_nitro`] contains the root of AWS's commercial partition. [`TrustAnchors::add_pem`]
//!   adds other roots, such as those of China and GovCloud.
//! - Only the algorithms and chains of AWS are accepted: ES384, and P-384 chains of 3 to 6 certificates.
//!
//! # Features
//!
//! - `aws-lc-rs` (default), `ring`: the crypto provider. One of these features is required. If both are
//!   enabled, aws-lc-rs is used.
//! - `simulator`: the trust anchor of a simulator, and counters of expensive operations. For tests only.

#[cfg(all(production, feature = "simulator"))]
compile_error!("the feature `simulator` must not be part of a production build");

/// The README, so that its example is compiled with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod audit_digest;
mod audit_stream;
mod cache_hit;
mod cbor;
mod certificate;
mod chain;
mod chain_position;
mod claims;
pub mod cms;
mod content_key;
mod cose_sign1;
pub mod crypto;
mod debug_mode;
mod document;
mod document_age;
mod hex;
mod identity;
mod malformed_document;
mod measurements;
mod nsm_timestamp;
mod parsed_document;
mod payload;
mod pcr;
pub mod receipt;
mod recipient_key;
mod sig_structure;
mod signature_cache;
mod signed_statement;
pub mod time;
pub mod time_stamp;
pub mod tls;
mod trust_anchors;
mod untrusted_document;
mod validity;
mod verification_rule;
mod verification_time;
mod verifier;
mod verifier_caches;
mod x509;

pub use audit_digest::{AuditChain, AuditDigest, AuditDigestError, MAX_GAPS, SignedAuditDigest};
pub use audit_stream::{AuditStream, InvalidAuditStream};
pub use cache_hit::CacheHit;
pub use cbor::{CborError, CborFault};
pub use chain_position::ChainPosition;
pub use claims::Claims;
pub use content_key::content_key_digest;
pub use cose_sign1::MAX_DOCUMENT_LENGTH;
pub use debug_mode::DebugMode;
pub use document::{UnverifiedDocument, VerifiedDocument};
pub use document_age::MaxAge;
pub use identity::{ConfigIdentity, Identity, InvalidIdentity};
pub use malformed_document::MalformedDocument;
pub use measurements::{InvalidMeasurements, MeasurementMismatch, MeasurementSet, MeasurementSets};
pub use nsm_timestamp::{NsmTimestampError, nsm_timestamp};
pub use pcr::{MAX_PCRS, PCR_LENGTH, PcrFamily, PcrValue, Pcrs};
pub use recipient_key::{RecipientKey, RecipientKeyError, check_spki};
pub use signed_statement::{KeyId, StatementError, StatementSignatureError};
#[cfg(feature = "simulator")]
pub use trust_anchors::Simulated;
pub use trust_anchors::{AnchorError, Production, Trust, TrustAnchors};
pub use untrusted_document::UntrustedDocument;
pub use verification_rule::Rule;
pub use verification_time::{ClockReading, ClockSource, MAX_CLOCK_SKEW_SECS, VerificationTime};
pub use verifier::Verifier;
pub use verifier_caches::CacheSizes;
