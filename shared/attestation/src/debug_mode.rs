//! Rule 17: the treatment of enclaves in debug mode.

use super::pcr::Pcrs;
use super::untrusted_document::UntrustedDocument;

/// The treatment of an enclave in debug mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DebugMode {
    /// Reject its documents.
    #[default]
    Reject,
    /// Accept its documents, although the parent instance can read the enclave's console. For
    /// development.
    Allow,
}

/// Checks rule 17.
pub(super) fn check_debug_mode(
    pcrs: Pcrs<'_>,
    debug_mode: DebugMode,
) -> Result<(), UntrustedDocument> {
    match debug_mode {
        DebugMode::Reject if pcrs.is_debug_mode() => Err(UntrustedDocument::DebugMode),
        DebugMode::Reject | DebugMode::Allow => Ok(()),
    }
}

impl Pcrs<'_> {
    /// Returns true if PCR0, PCR1 and PCR2 are present and zero. The enclave was then started with
    /// `--debug-mode`: its parent reads its console, and its measurements prove nothing.
    pub fn is_debug_mode(&self) -> bool {
        (0..3).all(|index| self.value(index).is_some_and(|value| value.iter().all(|b| *b == 0)))
    }
}
