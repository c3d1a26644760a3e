//! Why documents are refused.

use std::fmt;

use attestation::{MalformedDocument, RecipientKeyError, Rule, UntrustedDocument};

/// Why a document is refused: the exact value within.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Malformed(MalformedDocument),
    Untrusted(UntrustedDocument),
    RecipientKey(RecipientKeyError),
}

impl From<MalformedDocument> for Refusal {
    fn from(error: MalformedDocument) -> Self {
        Self::Malformed(error)
    }
}

impl From<UntrustedDocument> for Refusal {
    fn from(error: UntrustedDocument) -> Self {
        Self::Untrusted(error)
    }
}

impl From<RecipientKeyError> for Refusal {
    fn from(error: RecipientKeyError) -> Self {
        Self::RecipientKey(error)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => error.fmt(formatter),
            Self::Untrusted(error) => error.fmt(formatter),
            Self::RecipientKey(error) => error.fmt(formatter),
        }
    }
}

impl Refusal {
    /// The rule of the checklist that is broken; a key that nothing can be sealed to breaks none.
    pub(crate) fn rule(&self) -> Option<Rule> {
        match self {
            Self::Malformed(error) => Some(error.rule()),
            Self::Untrusted(error) => Some(error.rule()),
            Self::RecipientKey(_) => None,
        }
    }
}
