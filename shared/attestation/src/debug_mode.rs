//! Rule 17: documents of enclaves in debug mode.

use super::pcr::Pcrs;
use super::untrusted_document::UntrustedDocument;

/// The treatment of documents of enclaves in debug mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DebugMode {
    /// Reject these documents.
    #[default]
    Reject,
    /// Accept these documents, for development. The parent instance can read the console of an enclave in
    /// debug mode.
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
    /// Returns whether PCR0, PCR1 and PCR2 are present and zero.
    ///
    /// If so, the enclave was started with `--debug-mode`: the parent instance can read its console, and its
    /// measurements prove nothing
    /// (<https://docs.aws.amazon.com/enclaves/latest/user/cmd-nitro-run-enclave.html>).
    pub fn is_debug_mode(&self) -> bool {
        (0..3).all(|index| self.value(index).is_some_and(|value| value.iter().all(|b| *b == 0)))
    }
}
