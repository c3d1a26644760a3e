//! The settings of TLS.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;

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
    /// Logs the mode.
    pub(crate) fn announce(&self) {
        match self {
            Self::Off => tracing::info!("[tls] mode is \"off\""),
            Self::Attested { names } => {
                let names: Vec<_> = names.iter().map(ServerName::to_str).collect();
                tracing::info!(names = names.join(" "), "[tls] mode is \"attested\"");
            }
            Self::Provided(_) => tracing::info!("[tls] mode is \"provided\""),
        }
    }
}
