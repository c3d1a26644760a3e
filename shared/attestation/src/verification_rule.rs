//! The checklist: the rules that a document must satisfy, in the order of the checks.

use std::fmt;

/// A rule of verification. The order of the variants is the order of the checks.
///
/// Cheap checks come before expensive ones: counts, sizes and times come before signatures. Checks of
/// signed claims come last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// 1. At least one byte, at most 16 KiB.
    Size,
    /// 2. A COSE_Sign1: a CBOR array of four, untagged or with tag 18 once.
    CoseSign1,
    /// 3. Protected header {1: -35}, unprotected header {}.
    CoseHeaders,
    /// 4. The payload is one byte string, the signature is one byte string of 96 bytes, and no bytes follow.
    CoseParts,
    /// 5. The payload is one map with distinct text keys, and no bytes follow.
    Payload,
    /// 6. Each mandatory field is present, and each field has its type and an allowed size.
    Fields,
    /// 7. There is one family of PCRs: 1 to 32 registers of 48 bytes, with distinct indexes below 32.
    Pcrs,
    /// 8. The cabundle has two to five certificates.
    Cabundle,
    /// 9. Each certificate is X.509 v3 in DER, with a P-384 key, signed with ecdsa-with-SHA384,
    ///    and has no unknown critical extension.
    Certificates,
    /// 10. Each certificate is allowed its role: CAs sign certificates within their path length, and the leaf
    ///     signs documents.
    Roles,
    /// 11. The cabundle runs from the root to the leaf's issuer, and all subjects are distinct.
    Order,
    /// 12. `cabundle[0]` equals a trust anchor byte for byte.
    Anchor,
    /// 13. Each certificate, including the root, is valid at the time of verification. notBefore may be up
    ///     to 60 s ahead.
    Validity,
    /// 14. A live document is not older than the maximum age, and its timestamp is at most 60 s ahead. The
    ///     timestamp is checked before rule 13.
    DocumentAge,
    /// 15. Each certificate is signed by the certificate before it.
    ChainSignatures,
    /// 16. The document is signed by the leaf.
    DocumentSignature,
    /// 17. The enclave does not run in debug mode.
    DebugMode,
}

impl Rule {
    /// All rules, in the order of the checks.
    pub const ALL: [Self; 17] = [
        Self::Size,
        Self::CoseSign1,
        Self::CoseHeaders,
        Self::CoseParts,
        Self::Payload,
        Self::Fields,
        Self::Pcrs,
        Self::Cabundle,
        Self::Certificates,
        Self::Roles,
        Self::Order,
        Self::Anchor,
        Self::Validity,
        Self::DocumentAge,
        Self::ChainSignatures,
        Self::DocumentSignature,
        Self::DebugMode,
    ];

    /// Returns whether a document that was rejected by the rule `broken` satisfies the rule `self`. That is
    /// true if all checks of `self` come before those of `broken`.
    ///
    /// Rules 5 to 8 are checked in one pass, field by field. If one of these rules is broken, the document may
    /// also break another one that comes earlier in the list. The result is then false for all four.
    pub fn passed_if_broken(self, broken: Self) -> bool {
        let in_payload = |rule| (Self::Payload..=Self::Cabundle).contains(&rule);
        self < broken && !(in_payload(self) && in_payload(broken))
    }

    /// Returns a short name for reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::CoseSign1 => "COSE_Sign1 envelope",
            Self::CoseHeaders => "COSE headers",
            Self::CoseParts => "COSE payload and signature",
            Self::Payload => "payload map",
            Self::Fields => "payload fields",
            Self::Pcrs => "PCRs",
            Self::Cabundle => "cabundle count",
            Self::Certificates => "certificate form",
            Self::Roles => "certificate roles",
            Self::Order => "chain order",
            Self::Anchor => "trust anchor",
            Self::Validity => "certificate validity",
            Self::DocumentAge => "document age",
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
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    #[expect(clippy::as_conversions, reason = "a cast is the only way to read a discriminant")]
    fn all_rules_are_listed_in_order() {
        for (index, rule) in Rule::ALL.into_iter().enumerate() {
            assert_eq!(rule as usize, index);
        }
        assert!(Rule::ALL.is_sorted());
        assert_eq!(Rule::ALL.first(), Some(&Rule::Size));
        assert_eq!(Rule::ALL.last(), Some(&Rule::DebugMode));
    }

    #[test]
    fn rule_names_are_distinct() {
        let names: BTreeSet<String> = Rule::ALL.iter().map(Rule::to_string).collect();
        assert_eq!(names.len(), Rule::ALL.len());
        assert_eq!(Rule::Validity.name(), "certificate validity");
        assert_eq!(Rule::Validity.to_string(), Rule::Validity.name());
    }

    #[test]
    fn broken_rule_implies_that_earlier_rules_passed() {
        assert!(Rule::CoseParts.passed_if_broken(Rule::Pcrs));
        assert!(!Rule::Payload.passed_if_broken(Rule::Pcrs));
        assert!(!Rule::Cabundle.passed_if_broken(Rule::Fields));
        assert!(Rule::Cabundle.passed_if_broken(Rule::Certificates));
        assert!(!Rule::Order.passed_if_broken(Rule::Order));
        assert!(!Rule::DebugMode.passed_if_broken(Rule::Size));
    }
}
