//! The modes of TLS.

use std::fmt;

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

    /// Returns what the mode protects and what it does not protect, for the log and for `/readyz`.
    pub(crate) const fn protection(self) -> &'static str {
        match self {
            Self::Off => {
                "the relay and the network can read and change requests and responses; a \
                 Recipient keeps the random bytes secret, and only a receipt proves that a \
                 response comes from this enclave"
            }
            Self::Attested => {
                "TLS ends in this enclave, which generated the private key; clients must verify \
                 the attestation of the key"
            }
            Self::Provided => {
                "the operator holds the private key, so TLS does not prove that the connection \
                 ends in this enclave; a Recipient keeps the random bytes secret, and only a \
                 receipt proves that a response comes from this enclave"
            }
        }
    }
}

impl fmt::Display for TlsMode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.as_str(), self.protection())
    }
}
