//! Tests of a client that half-closes its connection after the request.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use enclave::tls::tls_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// Time limit for a response. Only a hang reaches it.
const HANG_TIMEOUT: Duration = Duration::from_secs(60);

/// The way in which a client half-closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HalfClose {
    /// Sends TLS close_notify.
    TlsOnly,
    /// Sends TLS close_notify and closes the sending half of TCP.
    TlsAndTcp,
}

/// Sends a request, half-closes and returns the response. The response must end with close_notify.
pub(super) fn request_and_half_close(
    authority: &str,
    ca: &Path,
    request: &str,
    end: HalfClose,
) -> String {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(tls_provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "localhost".try_into().unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(authority).unwrap();
    stream.set_read_timeout(Some(HANG_TIMEOUT)).unwrap();
    let mut stream = StreamOwned::new(connection, stream);
    stream.write_all(request.as_bytes()).unwrap();
    stream.conn.send_close_notify();
    stream.flush().unwrap();
    if end == HalfClose::TlsAndTcp {
        stream.sock.shutdown(Shutdown::Write).unwrap();
    }
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}
