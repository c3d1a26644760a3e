//! A relay that terminates TLS with a certificate of its own, and opens a TLS connection to the enclave.

use std::net::SocketAddr;
use std::sync::Arc;

use attested_recipient::unauthenticated_tls;
use enclave::clock::{Clock, SystemClock};
use enclave::tls::{Authority, tls_provider};
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls::{ALL_VERSIONS, ServerConfig};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// A running interceptor. It ends when it is dropped.
pub(crate) struct TlsInterceptor {
    address: SocketAddr,
    _runtime: Runtime,
}

impl TlsInterceptor {
    /// Starts an interceptor on a free port. Its certificate has the names that clients expect.
    pub(crate) fn in_front_of(enclave: SocketAddr) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(server_config()));
        let connector = TlsConnector::from(unauthenticated_tls(ALL_VERSIONS).unwrap());
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(intercept(acceptor.clone(), connector.clone(), stream, enclave));
            }
        });
        Self { address, _runtime: runtime }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }
}

async fn intercept(
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    client: TcpStream,
    enclave: SocketAddr,
) {
    let Ok(mut client) = acceptor.accept(client).await else { return };
    let enclave = TcpStream::connect(enclave).await.unwrap();
    let mut enclave = connector.connect(name(), enclave).await.unwrap();
    drop(copy_bidirectional(&mut client, &mut enclave).await);
}

fn name() -> ServerName<'static> {
    ServerName::try_from("127.0.0.1").unwrap()
}

fn server_config() -> ServerConfig {
    let now = SystemClock.now();
    let certified = Authority::generate(&[name()], now).unwrap().issue(now).unwrap().certified;
    ServerConfig::builder_with_provider(tls_provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
}
