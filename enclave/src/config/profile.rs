//! The profile, which selects the defaults of the configuration.

use crate::policy::Plaintext;

/// A set of defaults and checks of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// In an enclave: unauthenticated callers are rejected, and plaintext is returned only over attested TLS.
    Production,
    /// In the simulator: unauthenticated callers are accepted.
    Development,
}

impl Profile {
    /// Returns the default of `[recipient] plaintext`.
    pub(super) const fn default_plaintext(self, tls_is_provided: bool) -> Plaintext {
        match self {
            Self::Development => Plaintext::Always,
            // The parent instance knows the provided key.
            Self::Production if tls_is_provided => Plaintext::Never,
            Self::Production => Plaintext::AttestedTls,
        }
    }
}
