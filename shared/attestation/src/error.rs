//! Errors, by who is to blame: [`MalformedDocument`] for bytes that are no attestation document,
//! [`UntrustedDocument`] for a document whose evidence does not hold,
//! [`RecipientKeyError`](super::RecipientKeyError) for a key that nothing may be sealed to.

use thiserror::Error;

use super::cbor::CborError;
use super::document::MAX_CLOCK_SKEW_SECS;
use super::judged_at::JudgedAt;
use super::position::ChainPosition;
use super::rule::Rule;
use crate::time::{HumanDuration, UnixMillis};

/// The bytes are not an attestation document.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum MalformedDocument {
    /// No byte at all.
    #[error("the document is empty")]
    Empty,
    /// Longer than any genuine document.
    #[error("the document has {length} bytes; at most 16384 are allowed")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
    /// The text of a file reference instead of the file's content.
    #[error(
        "the document is the text of a file reference, not the file's content; with AWS CLI v1 \
         write AttestationDocument@=fileb://FILE"
    )]
    FileReference,
    /// A document in a text encoding, encoded once more.
    #[error(
        "the document is {encoding} text of an attestation document: it was encoded twice; send \
         the raw bytes (with AWS CLI v1 write AttestationDocument@=fileb://FILE)"
    )]
    EncodedTwice {
        /// The inner encoding.
        encoding: &'static str,
    },
    /// Not an array of four, untagged or with tag 18 once.
    #[error("the document is not a COSE_Sign1: a CBOR array of four, untagged or with tag 18 once")]
    NotCoseSign1,
    /// Anything but {1: -35} as the protected header.
    #[error("the COSE protected header must be exactly {{1: -35}} (ES384)")]
    ProtectedHeader,
    /// Anything but the empty map as the unprotected header.
    #[error("the COSE unprotected header must be an empty map")]
    UnprotectedHeader,
    /// The COSE payload is not a definite-length byte string.
    #[error("the COSE payload must be one byte string: {0}")]
    Payload(CborError),
    /// The COSE signature is not a definite-length byte string.
    #[error("the COSE signature must be one byte string: {0}")]
    Signature(CborError),
    /// The signature is not r and s.
    #[error("the COSE signature has {length} bytes; ES384 has 96")]
    SignatureLength {
        /// Its length in bytes.
        length: usize,
    },
    /// Bytes after the COSE_Sign1.
    #[error("{count} bytes follow the COSE_Sign1; nothing may")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// The payload is not the CBOR map it should be.
    #[error("the payload is not a well-formed map: {0}")]
    Encoding(CborError),
    /// A key of the payload that is not text.
    #[error("a payload key is not text: {0}")]
    FieldName(CborError),
    /// Bytes after the payload's map.
    #[error("{count} bytes follow the payload's map; nothing may")]
    TrailingPayloadBytes {
        /// How many.
        count: usize,
    },
    /// A field with a value of another type.
    #[error("the field {field} is not well-formed: {error}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// What is wrong with it.
        error: CborError,
    },
    /// The same key twice.
    #[error("the field {field} occurs twice")]
    DuplicateField {
        /// The field's name.
        field: &'static str,
    },
    /// More unknown fields than a new version of the format would bring.
    #[error("the payload has more than 16 unknown fields")]
    TooManyUnknownFields,
    /// A mandatory field is absent or null.
    #[error("the field {field} is missing")]
    MissingField {
        /// The field's name.
        field: &'static str,
    },
    /// A field too short or too long, in bytes, or in entries for the PCRs.
    #[error("the field {field} has length {length}; {min} to {max} is allowed")]
    FieldLength {
        /// The field's name.
        field: &'static str,
        /// Its length.
        length: usize,
        /// The least allowed.
        min: usize,
        /// The most allowed.
        max: usize,
    },
    /// Control characters in the module's name, which nothing that prints it would expect.
    #[error("the field module_id must not contain control characters")]
    ModuleIdControl,
    /// Another digest than SHA-384.
    #[error("the field digest must be \"SHA384\"")]
    Digest,
    /// A timestamp of zero.
    #[error("the field timestamp must be greater than zero")]
    ZeroTimestamp,
    /// Both `pcrs` and `nitrotpm_pcrs`.
    #[error("the payload has both pcrs and nitrotpm_pcrs; exactly one is allowed")]
    TwoPcrFamilies,
    /// A register number out of range.
    #[error("PCR index {index} is out of range; 0 to 31 is allowed")]
    PcrIndex {
        /// The number.
        index: u64,
    },
    /// A register of another size.
    #[error("PCR{index} has {length} bytes; 48 are required")]
    PcrLength {
        /// Its number.
        index: u64,
        /// Its length in bytes.
        length: usize,
    },
    /// A register twice.
    #[error("PCR{index} occurs twice")]
    DuplicatePcr {
        /// Its number.
        index: u64,
    },
    /// Too few or too many certificates.
    #[error("the field cabundle holds {count} certificates; 2 to 5 are allowed")]
    CabundleCount {
        /// How many, as far as claimed.
        count: usize,
    },
}

/// The document is well-formed, but its evidence does not hold.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum UntrustedDocument {
    /// A certificate that cannot be decoded.
    #[error("{certificate} is not a DER X.509 v3 certificate")]
    CertificateEncoding {
        /// Which one.
        certificate: ChainPosition,
    },
    /// Signed with another algorithm than ecdsa-with-SHA384.
    #[error("{certificate} is not signed with ecdsa-with-SHA384")]
    CertificateAlgorithm {
        /// Which one.
        certificate: ChainPosition,
    },
    /// A key on another curve, or of another kind.
    #[error("{certificate} has no P-384 key")]
    CertificateKey {
        /// Which one.
        certificate: ChainPosition,
    },
    /// A certificate in the cabundle that is no CA: basicConstraints absent, not critical, or CA
    /// false.
    #[error("{certificate} is not a CA (critical basicConstraints with CA true)")]
    NotCa {
        /// Which one.
        certificate: ChainPosition,
    },
    /// A CA whose keyUsage is absent or lacks keyCertSign.
    #[error("{certificate} may not sign certificates (keyUsage with keyCertSign)")]
    MayNotSignCertificates {
        /// Which one.
        certificate: ChainPosition,
    },
    /// More CA certificates follow than pathLenConstraint allows.
    #[error("{certificate} allows {allowed} CA certificates below it; {below} follow")]
    PathLength {
        /// Which one.
        certificate: ChainPosition,
        /// pathLenConstraint.
        allowed: u32,
        /// CA certificates below it.
        below: u32,
    },
    /// The leaf is a CA.
    #[error("the leaf certificate is a CA")]
    LeafIsCa,
    /// The leaf's keyUsage is absent or lacks digitalSignature.
    #[error("the leaf certificate may not sign documents (keyUsage with digitalSignature)")]
    LeafMayNotSign,
    /// A critical extension that is not understood.
    #[error("{certificate} has an unknown critical extension")]
    CriticalExtension {
        /// Which one.
        certificate: ChainPosition,
    },
    /// Issuer and subject do not meet.
    #[error("{certificate} is not issued by the certificate before it")]
    ChainOrder {
        /// Which one.
        certificate: ChainPosition,
    },
    /// A subject that occurs twice.
    #[error("{certificate} has the same subject as another one")]
    RepeatedSubject {
        /// Which one.
        certificate: ChainPosition,
    },
    /// The root is none of the trust anchors.
    #[error("cabundle[0] is not a trust anchor of this service")]
    UnknownRoot,
    /// A certificate past its time.
    #[error("{certificate} expired at {not_after}: {at}")]
    CertificateExpired {
        /// Which one.
        certificate: ChainPosition,
        /// The last second of its validity.
        not_after: UnixMillis,
        /// The time of judgement.
        at: JudgedAt,
    },
    /// A certificate before its time.
    #[error(
        "{certificate} is not valid before {not_before}, more than {MAX_CLOCK_SKEW_SECS} s ahead: {at}"
    )]
    CertificateNotYetValid {
        /// Which one.
        certificate: ChainPosition,
        /// The first second of its validity.
        not_before: UnixMillis,
        /// The time of judgement.
        at: JudgedAt,
    },
    /// Two certificates, or one, without a common second of validity.
    #[error(
        "the chain is never valid: {late} is not valid before {not_before}, and {early} expires at \
         {not_after}"
    )]
    NeverValid {
        /// The certificate that becomes valid last.
        late: ChainPosition,
        /// The first second of its validity.
        not_before: UnixMillis,
        /// The certificate that expires first.
        early: ChainPosition,
        /// The last second of its validity.
        not_after: UnixMillis,
    },
    /// A document older than allowed.
    #[error(
        "the document is too old: {}, at most {} is allowed; {at}; request a new one",
        .at.age(), HumanDuration(*.max_age_secs)
    )]
    TooOld {
        /// The allowed age, in seconds.
        max_age_secs: u64,
        /// The time of judgement.
        at: JudgedAt,
    },
    /// A document from before its leaf.
    #[error("the document's timestamp {timestamp} is before its leaf certificate's {not_before}")]
    OlderThanLeaf {
        /// Its timestamp.
        timestamp: UnixMillis,
        /// The first moment at which its leaf is valid.
        not_before: UnixMillis,
    },
    /// A document from the future.
    #[error("the document's timestamp is more than {MAX_CLOCK_SKEW_SECS} s in the future: {at}")]
    FromTheFuture {
        /// The time of judgement.
        at: JudgedAt,
    },
    /// A certificate's signature is not its issuer's.
    #[error("a signature in the certificate chain does not verify")]
    ChainSignature,
    /// The path library refuses the chain for another reason.
    #[error("the certificate chain is not a valid path to the trust anchor")]
    ChainPath,
    /// The document's signature is not the leaf's.
    #[error("the document's signature does not verify")]
    DocumentSignature,
    /// PCR0, 1 and 2 are zero.
    #[error(
        "the enclave runs in debug mode (PCR0, PCR1 and PCR2 are zero): its measurements mean \
         nothing; start it without --debug-mode"
    )]
    DebugMode,
}

impl MalformedDocument {
    /// The rule that is broken.
    pub const fn rule(&self) -> Rule {
        match self {
            Self::Empty | Self::TooLong { .. } => Rule::Size,
            Self::FileReference | Self::EncodedTwice { .. } | Self::NotCoseSign1 => Rule::Envelope,
            Self::Payload(_)
            | Self::Signature(_)
            | Self::SignatureLength { .. }
            | Self::TrailingBytes { .. } => Rule::Parts,
            Self::ProtectedHeader | Self::UnprotectedHeader => Rule::Headers,
            Self::Encoding(_)
            | Self::FieldName(_)
            | Self::TrailingPayloadBytes { .. }
            | Self::DuplicateField { .. }
            | Self::TooManyUnknownFields => Rule::Payload,
            Self::Field { .. }
            | Self::MissingField { .. }
            | Self::FieldLength { .. }
            | Self::ModuleIdControl
            | Self::Digest
            | Self::ZeroTimestamp => Rule::Fields,
            Self::TwoPcrFamilies
            | Self::PcrIndex { .. }
            | Self::PcrLength { .. }
            | Self::DuplicatePcr { .. } => Rule::Pcrs,
            Self::CabundleCount { .. } => Rule::Cabundle,
        }
    }
}

impl UntrustedDocument {
    /// Returns whether `rule` is known to hold of the document that this error refuses: whether all its
    /// checks came before. One check of rule 14 comes before rule 13.
    pub fn implies(&self, rule: Rule) -> bool {
        let is_unchecked = matches!(self, Self::FromTheFuture { .. }) && rule == Rule::Validity;
        rule.holds_if_broken(self.rule()) && !is_unchecked
    }

    /// The rule that is broken.
    pub const fn rule(&self) -> Rule {
        match self {
            Self::CertificateEncoding { .. }
            | Self::CertificateAlgorithm { .. }
            | Self::CertificateKey { .. }
            | Self::CriticalExtension { .. } => Rule::Certificates,
            Self::NotCa { .. }
            | Self::MayNotSignCertificates { .. }
            | Self::PathLength { .. }
            | Self::LeafIsCa
            | Self::LeafMayNotSign => Rule::Roles,
            Self::ChainOrder { .. } | Self::RepeatedSubject { .. } => Rule::Order,
            Self::UnknownRoot => Rule::Anchor,
            Self::CertificateExpired { .. }
            | Self::CertificateNotYetValid { .. }
            | Self::NeverValid { .. } => Rule::Validity,
            Self::TooOld { .. } | Self::OlderThanLeaf { .. } | Self::FromTheFuture { .. } => {
                Rule::Freshness
            }
            Self::ChainSignature | Self::ChainPath => Rule::ChainSignatures,
            Self::DocumentSignature => Rule::DocumentSignature,
            Self::DebugMode => Rule::DebugMode,
        }
    }
}
