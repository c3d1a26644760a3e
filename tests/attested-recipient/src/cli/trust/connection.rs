use std::io;
use std::sync::Arc;

use attested_recipient::Retries;
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use rustls::pki_types::CertificateDer;
use rustls::{CertificateError, ClientConfig, Error};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_rustls::TlsConnector;

use super::super::trust_error::TrustError;
use super::target::Target;

/// Maximum length of a response head, and of the body of an error response, in bytes.
const MAX_HEAD_LENGTH: usize = 16 * 1024;

/// Maximum number of printed characters of an error response.
const MAX_PRINTED_CHARS: usize = 200;

/// A TLS connection. The handshake verified that the server holds the key of its first certificate.
pub(super) struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    target: Target,
    tls: Arc<ClientConfig>,
    certificates: Vec<CertificateDer<'static>>,
}

impl Connection {
    pub(super) async fn open(target: &Target, tls: Arc<ClientConfig>) -> Result<Self, TrustError> {
        let host = target.host();
        let stream = TcpStream::connect((&*host.to_str(), target.port())).await;
        let stream = stream.map_err(TrustError::Unreachable)?;
        let stream = TlsConnector::from(Arc::clone(&tls)).connect(host.clone(), stream);
        let stream = stream.await.map_err(handshake_error)?;
        let (_, session) = stream.get_ref();
        let certificates = session.peer_certificates().unwrap_or_default().to_vec();
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEAD_LENGTH)
            .handshake(TokioIo::new(stream))
            .await?;
        // The task ends when the sender or the runtime is dropped. The sender returns the errors of
        // the task.
        drop(tokio::spawn(connection));
        Ok(Self { sender, target: target.clone(), tls, certificates })
    }

    /// Returns the certificates that the server sent. The first is the server's own certificate.
    pub(super) fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// Returns the body of a response with status 200 and at most `limit` bytes.
    pub(super) async fn get(&mut self, path: &str, limit: usize) -> Result<Vec<u8>, TrustError> {
        into_body(self.send(path).await?, limit).await
    }

    /// Sends a request like [`get`](Self::get), and retries while the enclave throttles the
    /// request. Reconnects if the enclave closed the connection. Returns `None` if no time
    /// remains for another attempt.
    pub(super) async fn get_with_retries(
        &mut self,
        path: &str,
        limit: usize,
        retries: &mut Retries,
    ) -> Result<Option<Vec<u8>>, TrustError> {
        loop {
            let response = self.send(path).await?;
            if response.status() != StatusCode::TOO_MANY_REQUESTS {
                return into_body(response, limit).await.map(Some);
            }
            let retry_after = response.headers().get(header::RETRY_AFTER);
            let pause = retries.pause(retry_after.and_then(|value| value.to_str().ok()));
            // The next request can use this connection only after the body was read.
            drop(body(response, MAX_HEAD_LENGTH).await);
            let Some(pause) = pause else { return Ok(None) };
            sleep(pause).await;
            if self.sender.is_closed() {
                *self = Self::open(&self.target, Arc::clone(&self.tls)).await?;
            }
        }
    }

    async fn send(&mut self, path: &str) -> Result<Response<Incoming>, TrustError> {
        let request = Request::get(path)
            .header(header::HOST, self.target.authority())
            .header(header::ACCEPT, "application/octet-stream")
            .body(Empty::new())
            .map_err(|error| TrustError::Http(error.to_string()))?;
        self.sender.ready().await?;
        Ok(self.sender.send_request(request).await?)
    }
}

async fn into_body(response: Response<Incoming>, limit: usize) -> Result<Vec<u8>, TrustError> {
    let status = response.status();
    if status == StatusCode::OK {
        return body(response, limit).await;
    }
    let text = body(response, MAX_HEAD_LENGTH).await.unwrap_or_default();
    Err(TrustError::Status { status: status.as_u16(), text: printable(&text) })
}

async fn body(response: Response<Incoming>, limit: usize) -> Result<Vec<u8>, TrustError> {
    match Limited::new(response.into_body(), limit).collect().await {
        Ok(body) => Ok(body.to_bytes().into()),
        Err(error) if error.is::<LengthLimitError>() => Err(TrustError::BodyTooLong { limit }),
        Err(error) => Err(TrustError::Http(error.to_string())),
    }
}

/// Escapes control characters of text from an unverified server.
fn printable(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.trim().chars().take(MAX_PRINTED_CHARS).flat_map(char::escape_debug).collect()
}

fn handshake_error(error: io::Error) -> TrustError {
    match error.get_ref().and_then(|error| error.downcast_ref()) {
        Some(Error::InvalidMessage(_)) => TrustError::NotTls,
        Some(Error::InvalidCertificate(CertificateError::BadSignature)) => {
            TrustError::HandshakeSignature
        }
        _ => TrustError::Handshake(error),
    }
}
