use std::io;
use std::sync::Arc;

use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use rustls::pki_types::CertificateDer;
use rustls::{CertificateError, ClientConfig, Error};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Refusal, Target};

/// Bytes of a head at the most, and of an answer that is no document.
const MAX_HEAD_LENGTH: usize = 16 * 1024;

/// Characters of a refusing answer that are shown.
const MAX_SHOWN: usize = 200;

/// One connection: what is asked on it, is asked of who holds the key of its first certificate.
pub(super) struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    authority: String,
    certificates: Vec<CertificateDer<'static>>,
}

impl Connection {
    pub(super) async fn open(target: &Target, tls: Arc<ClientConfig>) -> Result<Self, Refusal> {
        let host = target.host();
        let stream = TcpStream::connect((&*host.to_str(), target.port())).await;
        let stream = stream.map_err(Refusal::Unreachable)?;
        let stream = TlsConnector::from(tls).connect(host.clone(), stream);
        let stream = stream.await.map_err(handshake_refusal)?;
        let (_, session) = stream.get_ref();
        let certificates = session.peer_certificates().unwrap_or_default().to_vec();
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEAD_LENGTH)
            .handshake(TokioIo::new(stream))
            .await?;
        // It ends with the sender, or with the runtime; its error is the sender's as well.
        drop(tokio::spawn(connection));
        Ok(Self { sender, authority: target.authority().to_owned(), certificates })
    }

    /// What the server showed, its own certificate first.
    pub(super) fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// The body of an answer with status 200, of `limit` bytes at the most.
    pub(super) async fn get(&mut self, target: &str, limit: usize) -> Result<Vec<u8>, Refusal> {
        let request = Request::get(target)
            .header(header::HOST, &self.authority)
            .header(header::ACCEPT, "application/octet-stream")
            .body(Empty::new())
            .map_err(|error| Refusal::Http(error.to_string()))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        if status == StatusCode::OK {
            return body(response, limit).await;
        }
        let text = body(response, MAX_HEAD_LENGTH).await.unwrap_or_default();
        Err(Refusal::Status { status: status.as_u16(), text: shown(&text) })
    }
}

async fn body(response: Response<Incoming>, limit: usize) -> Result<Vec<u8>, Refusal> {
    match Limited::new(response.into_body(), limit).collect().await {
        Ok(body) => Ok(body.to_bytes().into()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refusal::TooLong { limit }),
        Err(error) => Err(Refusal::Http(error.to_string())),
    }
}

/// A stranger's text, that a terminal does not obey.
fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.trim().chars().take(MAX_SHOWN).flat_map(char::escape_debug).collect()
}

fn handshake_refusal(error: io::Error) -> Refusal {
    match error.get_ref().and_then(|error| error.downcast_ref()) {
        Some(Error::InvalidMessage(_)) => Refusal::NoTls,
        Some(Error::InvalidCertificate(CertificateError::BadSignature)) => {
            Refusal::NotTheKeysHolder
        }
        _ => Refusal::Handshake(error),
    }
}
