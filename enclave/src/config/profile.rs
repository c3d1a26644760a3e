//! The profile, which selects the defaults of the configuration.

use crate::policy::Plaintext;
use crate::tls::TlsMode;

/// A set of defaults and checks of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// The profile of an enclave. By default, unauthenticated callers are rejected, and plaintext is returned only
    /// over attested TLS. The mode of TLS has no default.
    Production,
    /// The profile of the simulator. By default, unauthenticated callers are accepted, and TLS is off.
    Development,
}

impl Profile {
    /// Returns the default of `[recipient] plaintext`.
    pub(super) const fn default_plaintext(self, tls_is_provided: bool) -> Plaintext {
        match self {
            Self::Development => Plaintext::Always,
            // The parent instance has the provided key, so it could decrypt the connection.
            Self::Production if tls_is_provided => Plaintext::Never,
            Self::Production => Plaintext::AttestedTls,
        }
    }

    /// Returns the default of `[tls] mode`. An enclave has no default, because each mode protects something else.
    pub(super) const fn default_tls_mode(self) -> Option<TlsMode> {
        match self {
            Self::Production => None,
            Self::Development => Some(TlsMode::Off),
        }
    }
}
