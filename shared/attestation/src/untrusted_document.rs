//! The error for a well-formed document whose verification fails.

use thiserror::Error;

use super::chain_position::ChainPosition;
use super::verification_rule::Rule;
use super::verification_time::{MAX_CLOCK_SKEW_SECS, VerificationTime};
use crate::time::{HumanDuration, UnixMillis};

/// A broken rule of evidence (9 to 17). The document is well-formed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum UntrustedDocument {
    /// A certificate is not X.509 v3 in DER.
    #[error("{certificate} is not a DER X.509 v3 certificate")]
    CertificateEncoding {
        /// The position of the certificate.
        certificate: ChainPosition,
    },
    /// A certificate is not signed with ecdsa-with-SHA384.
    #[error("{certificate} is not signed with ecdsa-with-SHA384")]
    CertificateAlgorithm {
        /// The position of the certificate.
        certificate: ChainPosition,
    },
    /// A certificate does not have a P-384 key.
    #[error("{certificate} has no P-384 key")]
    CertificateKey {
        /// The position of the certificate.
        certificate: ChainPosition,
    },
    /// A certificate in the cabundle is not a CA: basicConstraints is absent, not critical, or has CA
    /// false.
    #[error("{certificate} is not a CA (critical basicConstraints with CA true)")]
    NotCa {
        /// The position of the certificate.
        certificate: ChainPosition,
    },
    /// The keyUsage of a CA is absent or lacks keyCertSign.
    #[error("{certificate} may not sign certificates (keyUsage with keyCertSign)")]
    MissingKeyCertSign {
        /// The position of the certificate.
        certificate: ChainPosition,
    },
    /// More CA certificates follow a CA than its pathLenConstraint allows.
    #[error("{certificate} allows {allowed} CA certificates below it; {below} follow")]
    PathLength {
        /// The position of the certificate.
        certificate: ChainPosition,
        /// The value of pathLenConstraint.
        allowed: u32,
        /// The number of CA certificates below it.
        below: u32,
    },
    /// The leaf is a CA.
    #[error("the leaf certificate is a CA")]
    LeafIsCa,
    /// The leaf's keyUsage is absent or lacks digitalSignature.
    #[error("the leaf certificate may not sign documents (keyUsage with digitalSignature)")]
    LeafMissingDigitalSignature,
    /// A certificate has a critical extension other than basicConstraints and keyUsage.
    #[error("{certificate} has an unknown critical extension")]
    CriticalExtension {
        /// The position of the certificate.
        certificate: ChainPosition,
    },
    /// The issuer of a certificate is not the subject of the one before it.
    #[error("{certificate} is not issued by the certificate before it")]
    ChainOrder {
        /// The position of the certificate.
        certificate: ChainPosition,
    },
    /// Two certificates have the same subject.
    #[error("{certificate} has the same subject as another one")]
    RepeatedSubject {
        /// The position of the certificate.
        certificate: ChainPosition,
    },
    /// The root is not a trust anchor.
    #[error("cabundle[0] is not a trust anchor of this service")]
    UnknownRoot,
    /// A certificate has expired.
    #[error("{certificate} expired at {not_after}: {at}")]
    CertificateExpired {
        /// The position of the certificate.
        certificate: ChainPosition,
        /// The last second of its validity.
        not_after: UnixMillis,
        /// The time of verification.
        at: VerificationTime,
    },
    /// A certificate is not valid yet.
    #[error(
        "{certificate} is not valid before {not_before}, more than {MAX_CLOCK_SKEW_SECS} s ahead: {at}"
    )]
    CertificateNotYetValid {
        /// The position of the certificate.
        certificate: ChainPosition,
        /// The first second of its validity.
        not_before: UnixMillis,
        /// The time of verification.
        at: VerificationTime,
    },
    /// The validity periods of the chain's certificates have no second in common.
    #[error(
        "the chain is never valid: {late} is not valid before {not_before}, and {early} expires at \
         {not_after}"
    )]
    DisjointValidity {
        /// The certificate that becomes valid last.
        late: ChainPosition,
        /// The first second of its validity.
        not_before: UnixMillis,
        /// The certificate that expires first.
        early: ChainPosition,
        /// The last second of its validity.
        not_after: UnixMillis,
    },
    /// The document is older than allowed.
    #[error(
        "the document is too old: {}, at most {} is allowed; {at}; request a new one",
        .at.age(), HumanDuration(*.max_age_secs)
    )]
    TooOld {
        /// The maximum age, in seconds.
        max_age_secs: u64,
        /// The time of verification.
        at: VerificationTime,
    },
    /// The document is older than its leaf certificate.
    #[error("the document's timestamp {timestamp} is before its leaf certificate's {not_before}")]
    OlderThanLeaf {
        /// The timestamp of the document.
        timestamp: UnixMillis,
        /// The start of the validity of the leaf.
        not_before: UnixMillis,
    },
    /// The timestamp of the document is too far in the future.
    #[error("the document's timestamp is more than {MAX_CLOCK_SKEW_SECS} s in the future: {at}")]
    TimestampInFuture {
        /// The time of verification.
        at: VerificationTime,
    },
    /// The signature of a certificate does not verify with the key of its issuer.
    #[error("a signature in the certificate chain does not verify")]
    ChainSignature,
    /// rustls-webpki rejects the chain for a reason other than a signature.
    #[error("the certificate chain is not a valid path to the trust anchor")]
    InvalidChainPath,
    /// The signature of the document does not verify with the key of the leaf.
    #[error("the document's signature does not verify")]
    DocumentSignature,
    /// The enclave runs in debug mode: PCR0, PCR1 and PCR2 are zero.
    #[error(
        "the enclave runs in debug mode (PCR0, PCR1 and PCR2 are zero): its measurements prove \
         nothing; start it without --debug-mode"
    )]
    DebugMode,
}

impl UntrustedDocument {
    /// Returns whether the rejected document satisfies `rule`: all checks of `rule` passed before the
    /// failed check.
    ///
    /// The timestamp check of rule 14 comes before rule 13. If this check fails, rule 13 was not checked, so the
    /// result for rule 13 is false.
    pub fn passed(&self, rule: Rule) -> bool {
        let is_unchecked = matches!(self, Self::TimestampInFuture { .. }) && rule == Rule::Validity;
        rule.passed_if_broken(self.rule()) && !is_unchecked
    }

    /// Returns the rule that the document breaks.
    pub const fn rule(&self) -> Rule {
        match self {
            Self::CertificateEncoding { .. }
            | Self::CertificateAlgorithm { .. }
            | Self::CertificateKey { .. }
            | Self::CriticalExtension { .. } => Rule::Certificates,
            Self::NotCa { .. }
            | Self::MissingKeyCertSign { .. }
            | Self::PathLength { .. }
            | Self::LeafIsCa
            | Self::LeafMissingDigitalSignature => Rule::Roles,
            Self::ChainOrder { .. } | Self::RepeatedSubject { .. } => Rule::Order,
            Self::UnknownRoot => Rule::Anchor,
            Self::CertificateExpired { .. }
            | Self::CertificateNotYetValid { .. }
            | Self::DisjointValidity { .. } => Rule::Validity,
            Self::TooOld { .. } | Self::OlderThanLeaf { .. } | Self::TimestampInFuture { .. } => {
                Rule::DocumentAge
            }
            Self::ChainSignature | Self::InvalidChainPath => Rule::ChainSignatures,
            Self::DocumentSignature => Rule::DocumentSignature,
            Self::DebugMode => Rule::DebugMode,
        }
    }
}
