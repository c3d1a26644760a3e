//! Connections with or without TLS, as one type of stream.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use enclave::tls::tls_provider;
use rustls::client::{ClientConfig, Resumption};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConnection, RootCertStore, StreamOwned};

use super::load::BoxError;

/// The kind of a TLS handshake: full, or the resumption of an earlier session.
#[derive(Clone, Copy)]
pub(crate) enum Session {
    New,
    Resumed,
}

/// The address and the TLS configuration of connections.
pub(crate) struct Connector {
    address: SocketAddr,
    tls: Option<(Arc<ClientConfig>, Session)>,
}

pub(crate) trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

impl Connector {
    pub(crate) fn plain(address: SocketAddr) -> Self {
        Self { address, tls: None }
    }

    /// Creates a connector that trusts the authority in `pem`.
    pub(crate) fn tls(address: SocketAddr, pem: &str, session: Session) -> Result<Self, BoxError> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(pem.as_bytes())?)?;
        let config = ClientConfig::builder_with_provider(tls_provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { address, tls: Some((Arc::new(config), session)) })
    }

    /// Returns a connector that shares no sessions with other connectors.
    pub(crate) fn for_one_client(&self) -> Self {
        let tls = self.tls.as_ref().map(|(config, session)| {
            let mut config = ClientConfig::clone(config);
            config.resumption = match session {
                Session::New => Resumption::disabled(),
                Session::Resumed => Resumption::in_memory_sessions(1),
            };
            (Arc::new(config), *session)
        });
        Self { address: self.address, tls }
    }

    pub(crate) fn connect(&self) -> io::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        let Some((config, _)) = &self.tls else { return Ok(Box::new(stream)) };
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let connection =
            ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        Ok(Box::new(StreamOwned::new(connection, stream)))
    }

    /// Returns the whole response to a GET request for `path`.
    pub(crate) fn get(&self, path: &str) -> io::Result<String> {
        let mut stream = self.connect()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut response = String::new();
        stream.read_to_string(&mut response)?;
        Ok(response)
    }
}
