//! TLS to a server with a certificate of a given authority.

use std::sync::Arc;

use enclave::tls::tls_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;

/// The certificate authorities that a client trusts for the TLS connection. They give confidentiality. They do not
/// prove that a response comes from an enclave.
#[derive(Clone, Debug)]
pub struct Authorities(Arc<ClientConfig>);

/// The reason why a PEM text contains no usable authorities.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidAuthorities {
    /// The text is malformed.
    #[error("malformed PEM")]
    Pem,
    /// A section is not a certificate.
    #[error("not an X.509 certificate")]
    Certificate,
    /// There is no certificate.
    #[error("no CERTIFICATE section")]
    NoCertificate,
    /// The crypto provider supports no version of TLS.
    #[error("the TLS library: {0}")]
    Tls(String),
}

impl Authorities {
    /// Parses the certificates of the authorities.
    ///
    /// # Errors
    /// If `pem` contains no certificate, is malformed, or has a section that is not an X.509 certificate.
    pub fn from_pem(pem: &[u8]) -> Result<Self, InvalidAuthorities> {
        let mut store = RootCertStore::empty();
        for der in CertificateDer::pem_slice_iter(pem) {
            let der = der.map_err(|_| InvalidAuthorities::Pem)?;
            store.add(der).map_err(|_| InvalidAuthorities::Certificate)?;
        }
        if store.is_empty() {
            return Err(InvalidAuthorities::NoCertificate);
        }
        let mut config = ClientConfig::builder_with_provider(tls_provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| InvalidAuthorities::Tls(error.to_string()))?
            .with_root_certificates(store)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    pub(super) fn tls(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0)
    }
}
