//! The checklist: every rule a document must satisfy, in the order in which they are checked.

use std::fmt;

/// A rule of verification. The order of the variants is the order of the checks: cheap before
/// dear, all counts, sizes and times before any signature, and what only a signed claim can say
/// after them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// 1. At least one byte, at most 16 KiB.
    Size,
    /// 2. One COSE_Sign1 of definite parts, a 96-byte signature, nothing after it.
    Envelope,
    /// 3. Protected header {1: -35}, unprotected header {}.
    Headers,
    /// 4. The payload is one map with distinct text keys, nothing after it.
    Payload,
    /// 5. Each field is there, of its type, within its size.
    Fields,
    /// 6. One family of PCRs, 1 to 32 registers of 48 bytes, distinct indexes below 32.
    Pcrs,
    /// 7. Two to five certificates in the cabundle.
    Cabundle,
    /// 8. Each certificate is X.509 v3 in DER, with a P-384 key, signed with ecdsa-with-SHA384,
    ///    and has no unknown critical extension.
    Certificates,
    /// 9. Each certificate may do what it does: CAs sign certificates within their path length,
    ///    the leaf signs documents.
    Roles,
    /// 10. The cabundle runs from the root to the leaf's issuer, no name twice.
    Order,
    /// 11. `cabundle[0]` is a trust anchor, byte for byte.
    Anchor,
    /// 12. Each certificate, the root's too, is valid at the time of judgement.
    Validity,
    /// 13. A live document is neither older than allowed nor from the future.
    Freshness,
    /// 14. Each certificate is signed by the one before it.
    ChainSignatures,
    /// 15. The document is signed by the leaf.
    DocumentSignature,
    /// 16. The enclave does not run in debug mode.
    DebugMode,
}

impl Rule {
    /// All rules, in the order of the checks.
    pub const ALL: [Self; 16] = [
        Self::Size,
        Self::Envelope,
        Self::Headers,
        Self::Payload,
        Self::Fields,
        Self::Pcrs,
        Self::Cabundle,
        Self::Certificates,
        Self::Roles,
        Self::Order,
        Self::Anchor,
        Self::Validity,
        Self::Freshness,
        Self::ChainSignatures,
        Self::DocumentSignature,
        Self::DebugMode,
    ];

    /// A short name, fit for a report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Envelope => "COSE_Sign1 envelope",
            Self::Headers => "COSE headers",
            Self::Payload => "payload map",
            Self::Fields => "payload fields",
            Self::Pcrs => "PCRs",
            Self::Cabundle => "cabundle count",
            Self::Certificates => "certificate form",
            Self::Roles => "certificate roles",
            Self::Order => "chain order",
            Self::Anchor => "trust anchor",
            Self::Validity => "certificate validity",
            Self::Freshness => "document age",
            Self::ChainSignatures => "chain signatures",
            Self::DocumentSignature => "document signature",
            Self::DebugMode => "debug mode",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_complete_and_in_order() {
        assert!(Rule::ALL.is_sorted());
        assert_eq!(Rule::ALL.first(), Some(&Rule::Size));
        assert_eq!(Rule::ALL.last(), Some(&Rule::DebugMode));
    }
}
