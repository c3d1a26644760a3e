//! The error for bytes that are not an attestation document.

use thiserror::Error;

use super::cbor::CborError;
use super::verification_rule::Rule;

/// A broken rule of form (1 to 8). The bytes are not an attestation document.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum MalformedDocument {
    /// The document is empty.
    #[error("the document is empty")]
    Empty,
    /// The document is longer than any genuine one.
    #[error("the document has {length} bytes; at most 16384 are allowed")]
    TooLong {
        /// The actual length, in bytes.
        length: usize,
    },
    /// The document is the text of a file reference, such as `fileb://FILE`, instead of the file's content.
    #[error(
        "the document is the text of a file reference, not the file's content; with AWS CLI v1 \
         write AttestationDocument@=fileb://FILE"
    )]
    FileReference,
    /// The document was encoded as text before it was encoded for JSON.
    #[error(
        "the document is {encoding} text of an attestation document: it was encoded twice; send \
         the raw bytes (with AWS CLI v1 write AttestationDocument@=fileb://FILE)"
    )]
    EncodedTwice {
        /// The text encoding.
        encoding: &'static str,
    },
    /// The document is not an array of four, untagged or with tag 18 once.
    #[error("the document is not a COSE_Sign1: a CBOR array of four, untagged or with tag 18 once")]
    NotCoseSign1,
    /// The protected header is not exactly {1: -35}.
    #[error("the COSE protected header must be exactly {{1: -35}} (ES384)")]
    ProtectedHeader,
    /// The unprotected header is not the empty map.
    #[error("the COSE unprotected header must be an empty map")]
    UnprotectedHeader,
    /// The COSE payload is not a definite-length byte string.
    #[error("the COSE payload must be one byte string: {0}")]
    Payload(CborError),
    /// The COSE signature is not a definite-length byte string.
    #[error("the COSE signature must be one byte string: {0}")]
    Signature(CborError),
    /// The signature does not have 96 bytes.
    #[error("the COSE signature has {length} bytes; ES384 has 96")]
    SignatureLength {
        /// The actual length, in bytes.
        length: usize,
    },
    /// Bytes follow the COSE_Sign1.
    #[error("{count} bytes follow the COSE_Sign1; none are allowed")]
    TrailingBytes {
        /// The number of bytes that follow.
        count: usize,
    },
    /// The payload is not a CBOR map.
    #[error("the payload is not a well-formed map: {0}")]
    Encoding(CborError),
    /// A key of the payload is not text.
    #[error("a payload key is not text: {0}")]
    FieldName(CborError),
    /// Bytes follow the payload's map.
    #[error("{count} bytes follow the payload's map; none are allowed")]
    TrailingPayloadBytes {
        /// The number of bytes that follow.
        count: usize,
    },
    /// A field has a value of a wrong type.
    #[error("the field {field} is not well-formed: {error}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// The error of the CBOR reader.
        error: CborError,
    },
    /// A field occurs twice.
    #[error("the field {field} occurs twice")]
    DuplicateField {
        /// The field's name.
        field: &'static str,
    },
    /// The payload has more than 16 unknown fields.
    #[error("the payload has more than 16 unknown fields")]
    TooManyUnknownFields,
    /// A mandatory field is absent or null.
    #[error("the field {field} is missing")]
    MissingField {
        /// The field's name.
        field: &'static str,
    },
    /// A field is too short or too long.
    #[error("the field {field} has length {length}; {min} to {max} is allowed")]
    FieldLength {
        /// The field's name.
        field: &'static str,
        /// The actual length, in bytes, or in entries for the PCRs.
        length: usize,
        /// The minimum length.
        min: usize,
        /// The maximum length.
        max: usize,
    },
    /// The field `module_id` has control characters, which could corrupt a terminal or a log.
    #[error("the field module_id must not contain control characters")]
    ModuleIdControl,
    /// The field `digest` is not SHA384.
    #[error("the field digest must be \"SHA384\"")]
    Digest,
    /// The timestamp is zero.
    #[error("the field timestamp must be greater than zero")]
    ZeroTimestamp,
    /// The payload has both `pcrs` and `nitrotpm_pcrs`.
    #[error("the payload has both pcrs and nitrotpm_pcrs; exactly one is allowed")]
    TwoPcrFamilies,
    /// A PCR index is out of range.
    #[error("PCR index {index} is out of range; 0 to 31 is allowed")]
    PcrIndex {
        /// The index.
        index: u64,
    },
    /// A PCR does not have 48 bytes.
    #[error("PCR{index} has {length} bytes; 48 are required")]
    PcrLength {
        /// The index of the PCR.
        index: u64,
        /// The actual length, in bytes.
        length: usize,
    },
    /// A PCR occurs twice.
    #[error("PCR{index} occurs twice")]
    DuplicatePcr {
        /// The index of the PCR.
        index: u64,
    },
    /// The `cabundle` has too few or too many certificates.
    #[error("the field cabundle holds {count} certificates; 2 to 5 are allowed")]
    CabundleCount {
        /// The number of certificates that the document claims.
        count: usize,
    },
}

impl MalformedDocument {
    /// Returns the rule that the document breaks.
    pub const fn rule(&self) -> Rule {
        match self {
            Self::Empty | Self::TooLong { .. } => Rule::Size,
            Self::FileReference | Self::EncodedTwice { .. } | Self::NotCoseSign1 => Rule::CoseSign1,
            Self::Payload(_)
            | Self::Signature(_)
            | Self::SignatureLength { .. }
            | Self::TrailingBytes { .. } => Rule::CoseParts,
            Self::ProtectedHeader | Self::UnprotectedHeader => Rule::CoseHeaders,
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
