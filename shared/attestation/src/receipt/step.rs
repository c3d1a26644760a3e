//! The steps of the checklist.

use std::fmt;

/// A step of the verification of a receipt, in the order of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReceiptStep {
    /// 1: the status is 200, and there is exactly one receipt.
    Status,
    /// 2: the receipt has exactly the bytes of its grammar, in canonical base64.
    Form,
    /// 3: the receipt key is that of the enclave's document, and a point on the curve.
    Key,
    /// 4: the document verifies under the expected root, and is that of an enclave that is not in debug mode.
    Document,
    /// 5: the registers are those of one whole expected set.
    Measurements,
    /// 6: the document is current, or near the time of the receipt.
    Freshness,
    /// 7: the signature verifies, with a low s.
    Signature,
    /// 8: the receipt covers this request and this response.
    Binding,
    /// 9: the content has the expected source and form.
    Content,
    /// 10: the time of the receipt is within 5 minutes of now.
    Time,
}

impl ReceiptStep {
    /// All steps in their order.
    pub const ALL: [Self; 10] = [
        Self::Status,
        Self::Form,
        Self::Key,
        Self::Document,
        Self::Measurements,
        Self::Freshness,
        Self::Signature,
        Self::Binding,
        Self::Content,
        Self::Time,
    ];

    /// Returns the number of the step, from 1.
    pub const fn number(self) -> u8 {
        match self {
            Self::Status => 1,
            Self::Form => 2,
            Self::Key => 3,
            Self::Document => 4,
            Self::Measurements => 5,
            Self::Freshness => 6,
            Self::Signature => 7,
            Self::Binding => 8,
            Self::Content => 9,
            Self::Time => 10,
        }
    }

    /// Returns the name of the step.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Form => "form",
            Self::Key => "key",
            Self::Document => "document",
            Self::Measurements => "measurements",
            Self::Freshness => "freshness",
            Self::Signature => "signature",
            Self::Binding => "binding",
            Self::Content => "content",
            Self::Time => "time",
        }
    }
}

impl fmt::Display for ReceiptStep {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "step {} ({})", self.number(), self.name())
    }
}
