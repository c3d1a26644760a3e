//! Errors of documents.

use std::fmt;

use attestation::{MalformedDocument, RecipientKeyError, Rule, UntrustedDocument};

/// The exact error with which a document is rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DocumentError {
    Malformed(MalformedDocument),
    Untrusted(UntrustedDocument),
    RecipientKey(RecipientKeyError),
}

impl From<MalformedDocument> for DocumentError {
    fn from(error: MalformedDocument) -> Self {
        Self::Malformed(error)
    }
}

impl From<UntrustedDocument> for DocumentError {
    fn from(error: UntrustedDocument) -> Self {
        Self::Untrusted(error)
    }
}

impl From<RecipientKeyError> for DocumentError {
    fn from(error: RecipientKeyError) -> Self {
        Self::RecipientKey(error)
    }
}

impl fmt::Display for DocumentError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => error.fmt(formatter),
            Self::Untrusted(error) => error.fmt(formatter),
            Self::RecipientKey(error) => error.fmt(formatter),
        }
    }
}

impl DocumentError {
    /// Returns the rule of `docs/verification.md` that the document breaks. An unusable recipient
    /// key breaks no rule.
    pub(crate) fn rule(&self) -> Option<Rule> {
        match self {
            Self::Malformed(error) => Some(error.rule()),
            Self::Untrusted(error) => Some(error.rule()),
            Self::RecipientKey(_) => None,
        }
    }
}
