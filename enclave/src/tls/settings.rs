//! What the configuration asks of TLS.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;

/// How TLS ends here: the table `[tls]`.
#[derive(Debug, Default)]
pub enum TlsSettings {
    /// There is none.
    #[default]
    Off,
    /// Keys are born here, and certificates are of an authority that an attestation document binds.
    Attested {
        /// Whom they are for: at least one, each once.
        names: Vec<ServerName<'static>>,
    },
    /// The configuration has them.
    Provided(Arc<CertifiedKey>),
}

impl TlsSettings {
    /// Says what is in effect.
    pub(crate) fn announce(&self) {
        match self {
            Self::Off => tracing::info!("[tls] mode is \"off\""),
            Self::Attested { names } => {
                let names: Vec<_> = names.iter().map(ServerName::to_str).collect();
                tracing::info!(?names, "[tls] mode is \"attested\"");
            }
            Self::Provided(_) => tracing::info!("[tls] mode is \"provided\""),
        }
    }
}
