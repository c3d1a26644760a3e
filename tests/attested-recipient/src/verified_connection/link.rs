//! An open connection, whose server is not verified yet.

use std::io;

use attestation::MAX_DOCUMENT_LENGTH;
use attestation::crypto::Sha256;
use rustls::server::ParsedCertificate;
use rustls::version::TLS13;
use rustls::{CertificateError, Error as TlsError};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use transport::{Stream, connect};

use super::authorities::Authorities;
use super::error::ConnectionError;
use super::upstream::Upstream;
use crate::http1::{Fields, Limits, Message, ResponseHead, read_message};
use crate::printable::printable;
use crate::unauthenticated_tls::unauthenticated_tls;

/// Maximum number of characters of an error response that an error contains.
const MAX_PRINTED_CHARS: usize = 200;

pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// An open connection.
pub(super) struct Link {
    pub(super) stream: Box<dyn Socket>,
    /// The SHA-256 digest of the SubjectPublicKeyInfo of the server's certificate. `None` without attested TLS.
    pub(super) tls_key: Option<[u8; 32]>,
}

impl Link {
    pub(super) async fn open(
        upstream: &Upstream,
        authorities: Option<&Authorities>,
    ) -> Result<Self, ConnectionError> {
        let stream = connect(upstream.endpoint()).await?;
        match (upstream.is_https(), authorities) {
            (true, None) => Self::open_tls(upstream, stream).await,
            (true, Some(authorities)) => {
                let connector = TlsConnector::from(authorities.tls());
                let stream = connector.connect(upstream.host().clone(), stream).await;
                Ok(Self { stream: Box::new(stream.map_err(handshake_error)?), tls_key: None })
            }
            (false, _) => Ok(Self { stream: Box::new(stream), tls_key: None }),
        }
    }

    /// Makes a handshake that proves that the server holds the key of its certificate. The document proves
    /// later whose key it is, so names and issuers are not judged.
    async fn open_tls(upstream: &Upstream, stream: Stream) -> Result<Self, ConnectionError> {
        let config = unauthenticated_tls(&[&TLS13])
            .map_err(|error| ConnectionError::Local(error.to_string()))?;
        let connector = TlsConnector::from(config);
        let stream = connector.connect(upstream.host().clone(), stream).await;
        let stream = stream.map_err(handshake_error)?;
        let certificates = stream.get_ref().1.peer_certificates();
        let certificate =
            certificates.and_then(<[_]>::first).ok_or(ConnectionError::Certificate)?;
        // The parser that read the key for the signature of the handshake also reads it here.
        let certificate =
            ParsedCertificate::try_from(certificate).map_err(|_| ConnectionError::Certificate)?;
        let tls_key = Some(Sha256::digest(&certificate.subject_public_key_info()));
        Ok(Self { stream: Box::new(stream), tls_key })
    }

    /// Returns the body of a response with status 200.
    pub(super) async fn get(
        &mut self,
        upstream: &Upstream,
        path: &'static str,
    ) -> Result<Vec<u8>, ConnectionError> {
        let mut fields = Fields::default();
        fields.push("host", upstream.authority().as_bytes());
        fields.push("accept", b"application/octet-stream");
        self.write(&fields.encode(&format!("GET {path} HTTP/1.1"), &[], b"")).await?;
        let response = self.read(MAX_DOCUMENT_LENGTH).await?;
        match response.head.status {
            200 if response.head.keeps_alive() => Ok(response.body.to_vec()),
            200 => Err(ConnectionError::Closed),
            status => {
                let text =
                    printable(String::from_utf8_lossy(&response.body).trim(), MAX_PRINTED_CHARS);
                Err(ConnectionError::Service { path, status, text })
            }
        }
    }

    pub(super) async fn write(&mut self, message: &[u8]) -> io::Result<()> {
        self.stream.write_all(message).await?;
        self.stream.flush().await
    }

    pub(super) async fn read(
        &mut self,
        body: usize,
    ) -> Result<Message<ResponseHead>, ConnectionError> {
        let limits = Limits { body, may_lack_length: false };
        Ok(read_message(&mut self.stream, limits).await?)
    }
}

fn handshake_error(error: io::Error) -> ConnectionError {
    match error.get_ref().and_then(|error| error.downcast_ref()) {
        Some(TlsError::InvalidCertificate(CertificateError::BadSignature)) => {
            ConnectionError::HandshakeSignature
        }
        Some(TlsError::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            ConnectionError::UnknownAuthority
        }
        Some(TlsError::InvalidMessage(_)) => ConnectionError::NotTls,
        _ => ConnectionError::Handshake(error),
    }
}
