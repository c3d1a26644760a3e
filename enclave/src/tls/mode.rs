//! The modes of TLS.

use serde::Deserialize;

/// The mode of TLS, `[tls] mode`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TlsMode {
    /// The enclave does not terminate TLS.
    Off,
    /// The enclave generates the private keys.
    Attested,
    /// The configuration contains the private key.
    Provided,
}

impl TlsMode {
    /// Returns the value of `[tls] mode`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Attested => "attested",
            Self::Provided => "provided",
        }
    }
}
