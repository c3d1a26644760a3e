//! What the relay itself asks enclaves for: how they are, over a connection of its own. Nothing of it is
//! on the way of a client's bytes.

use std::error::Error;
use std::io::ErrorKind;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use transport::{ConnectError, Endpoint, ProxyHeader, Stream, connect};

use crate::config::Enclave;

/// Why there is no answer.
#[derive(Debug, Error)]
pub(crate) enum AskError {
    /// Nobody is there.
    #[error(transparent)]
    Absent(ConnectError),
    /// Somebody is, whose queue is full.
    #[error(transparent)]
    Crowded(ConnectError),
    /// Nobody was asked: this process lacks what that takes, of which the enclave knows nothing.
    #[error(transparent)]
    Unasked(ConnectError),
    /// Somebody is, who does not speak HTTP in plain.
    #[error("it does not speak HTTP in plain there: {0}")]
    NotPlain(hyper::Error),
    /// What was said cannot be made use of.
    #[error("{0}")]
    Broken(#[from] Box<dyn Error + Send + Sync>),
    /// It took too long.
    #[error("no answer within {0:?}")]
    Late(Duration),
}

/// GETs `path` from the enclave: from where it is watched, else from where it takes clients, whose
/// connections begin with a header if they are `introduced`. The body has so many bytes at most.
pub(crate) async fn get(
    enclave: &Enclave,
    introduced: bool,
    path: &'static str,
    max_length: usize,
    limit: Duration,
) -> Result<(StatusCode, Bytes), AskError> {
    timeout(limit, fetch(enclave, introduced, path, max_length))
        .await
        .unwrap_or(Err(AskError::Late(limit)))
}

/// Whether the enclave takes a client's connection, at least.
pub(crate) async fn knock(
    enclave: &Enclave,
    introduced: bool,
    limit: Duration,
) -> Result<(), AskError> {
    let knocked = timeout(limit, open(&enclave.endpoint, introduced)).await;
    knocked.unwrap_or(Err(AskError::Late(limit))).map(drop)
}

async fn open(endpoint: &Endpoint, introduced: bool) -> Result<Stream, AskError> {
    let mut stream = connect(endpoint).await.map_err(not_connected)?;
    if introduced {
        stream.write_all(&ProxyHeader::default().encode(None)).await.map_err(broken)?;
    }
    Ok(stream)
}

async fn fetch(
    enclave: &Enclave,
    introduced: bool,
    path: &'static str,
    max_length: usize,
) -> Result<(StatusCode, Bytes), AskError> {
    let stream = match &enclave.admin {
        Some(admin) => open(admin, false).await?,
        None => open(&enclave.endpoint, introduced).await?,
    };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let request = Request::get(path)
        .header(HOST, "enclave")
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(broken)?;
    let answer = async move {
        let answer = sender.send_request(request).await.map_err(not_plain)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), max_length).collect().await?;
        Ok((status, body.to_bytes()))
    };
    // The connection ends with the answer; why it ended otherwise, the answer says.
    let (answer, _) = tokio::join!(answer, connection);
    answer
}

fn not_connected(error: ConnectError) -> AskError {
    const ENOMEM: i32 = 12;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    const EADDRNOTAVAIL: i32 = 99;
    const ENOBUFS: i32 = 105;
    match error.source.raw_os_error() {
        Some(ENOMEM | ENFILE | EMFILE | EADDRNOTAVAIL | ENOBUFS) => AskError::Unasked(error),
        _ if error.source.kind() == ErrorKind::WouldBlock => AskError::Crowded(error),
        _ => AskError::Absent(error),
    }
}

fn broken(error: impl Into<Box<dyn Error + Send + Sync>>) -> AskError {
    AskError::Broken(error.into())
}

fn not_plain(error: hyper::Error) -> AskError {
    // Who says nothing at all may be anything: one that takes nobody's connection closes it as well.
    match error.is_parse() {
        true => AskError::NotPlain(error),
        false => broken(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn what_this_process_lacks_is_not_laid_at_an_enclave_s_door() {
        let of =
            |source| not_connected(ConnectError { endpoint: Endpoint::Unix("a".into()), source });
        for lacking in [12, 23, 24, 99, 105] {
            let error = of(io::Error::from_raw_os_error(lacking));
            assert!(matches!(error, AskError::Unasked(_)), "{error:?}");
        }
        assert!(matches!(of(ErrorKind::WouldBlock.into()), AskError::Crowded(_)));
        for absent in [ErrorKind::ConnectionRefused, ErrorKind::NotFound, ErrorKind::TimedOut] {
            assert!(matches!(of(absent.into()), AskError::Absent(_)));
        }
    }
}
