//! Where a service stands.

use crate::policy::Plaintext;

/// Where a service stands, and so what it is to do where its configuration is silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posture {
    /// In an enclave that others depend on: unauthenticated callers are rejected, and answers in the
    /// clear go over attested TLS alone.
    Production,
    /// On a laptop, where everybody is answered.
    Laptop,
}

impl Posture {
    /// Returns the value of `[recipient] plaintext` where the file has none.
    pub(super) const fn default_plaintext(self, tls_is_provided: bool) -> Plaintext {
        match self {
            Self::Laptop => Plaintext::Always,
            // Others hold the key of that TLS.
            Self::Production if tls_is_provided => Plaintext::Never,
            Self::Production => Plaintext::AttestedTls,
        }
    }
}
