use std::net::SocketAddr;
use std::sync::Arc;

use enclave::tls::tls_provider;
use rustls::ServerConfig;
use rustls::SupportedProtocolVersion;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

/// A server that terminates TLS and relays the content unchanged. The server stops when its runtime
/// is dropped.
pub(crate) struct TlsTerminator {
    pub(crate) address: SocketAddr,
    _runtime: Runtime,
}

impl TlsTerminator {
    /// Starts on a free port of 127.0.0.1.
    pub(crate) fn start(certified: Arc<CertifiedKey>, upstream: SocketAddr) -> Self {
        Self::at("127.0.0.1:0", rustls::ALL_VERSIONS, certified, upstream)
    }

    pub(crate) fn at(
        listen: &str,
        versions: &[&'static SupportedProtocolVersion],
        certified: Arc<CertifiedKey>,
        upstream: SocketAddr,
    ) -> Self {
        let mut config = ServerConfig::builder_with_provider(tls_provider())
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind(listen)).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(relay(acceptor.clone(), stream, upstream));
            }
        });
        Self { address, _runtime: runtime }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }
}

async fn relay(acceptor: TlsAcceptor, stream: TcpStream, upstream: SocketAddr) {
    // Clients may reject the certificate.
    if let Ok(mut stream) = acceptor.accept(stream).await {
        let mut upstream = TcpStream::connect(upstream).await.unwrap();
        drop(copy_bidirectional(&mut stream, &mut upstream).await);
    }
}
