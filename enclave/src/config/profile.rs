//! The environment that a service runs in.

use crate::policy::Plaintext;

/// The environment that a service runs in. It selects the defaults of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Production: unauthenticated callers are rejected, and answers in the clear are sent over
    /// attested TLS only.
    Production,
    /// Development: all callers are answered.
    Development,
}

impl Profile {
    /// Returns the value of `[recipient] plaintext` where the file has none.
    pub(super) const fn default_plaintext(self, tls_is_provided: bool) -> Plaintext {
        match self {
            Self::Development => Plaintext::Always,
            // The parent instance holds the key of that TLS.
            Self::Production if tls_is_provided => Plaintext::Never,
            Self::Production => Plaintext::AttestedTls,
        }
    }
}
