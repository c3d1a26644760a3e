//! The settings of TLS.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;

use super::mode::TlsMode;

/// The settings of the table `[tls]`.
#[derive(Debug, Default)]
pub enum TlsSettings {
    /// The service does not terminate TLS.
    #[default]
    Off,
    /// The service generates its keys. An attestation document binds the authority that issues the certificates.
    Attested {
        /// The names of the certificates: at least one, without duplicates.
        names: Vec<ServerName<'static>>,
    },
    /// The configuration contains the certificate chain and the key.
    Provided(Arc<CertifiedKey>),
}

impl TlsSettings {
    /// Returns the mode of TLS.
    pub(crate) const fn mode(&self) -> TlsMode {
        match self {
            Self::Off => TlsMode::Off,
            Self::Attested { .. } => TlsMode::Attested,
            Self::Provided(_) => TlsMode::Provided,
        }
    }

    /// Logs the mode. The modes that do not prove where a response comes from cause a warning.
    pub(crate) fn announce(&self) {
        let mode = self.mode();
        let (word, protection) = (mode.as_str(), mode.protection());
        match self {
            Self::Off | Self::Provided(_) => {
                tracing::warn!("[tls] mode is \"{word}\": {protection}");
            }
            Self::Attested { names } => {
                let names: Vec<_> = names.iter().map(ServerName::to_str).collect();
                tracing::info!(names = names.join(" "), "[tls] mode is \"{word}\": {protection}");
            }
        }
    }
}
