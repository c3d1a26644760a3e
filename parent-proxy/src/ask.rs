//! What the relay itself asks enclaves for: how they are, over a connection of its own. Nothing of it is
//! on the way of a client's bytes.

use std::error::Error;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use shared::transport::{ConnectError, ProxyHeader, connect};
use thiserror::Error;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::config::Enclave;

/// Why there is no answer.
#[derive(Debug, Error)]
pub(crate) enum AskError {
    /// Nobody is there.
    #[error(transparent)]
    Absent(ConnectError),
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

async fn fetch(
    enclave: &Enclave,
    introduced: bool,
    path: &'static str,
    max_length: usize,
) -> Result<(StatusCode, Bytes), AskError> {
    let endpoint = enclave.admin.as_ref().unwrap_or(&enclave.endpoint);
    let mut stream = connect(endpoint).await.map_err(AskError::Absent)?;
    if introduced && enclave.admin.is_none() {
        stream.write_all(&ProxyHeader::default().encode(None)).await.map_err(broken)?;
    }
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

fn broken(error: impl Into<Box<dyn Error + Send + Sync>>) -> AskError {
    AskError::Broken(error.into())
}

fn not_plain(error: hyper::Error) -> AskError {
    match error.is_parse() || error.is_incomplete_message() {
        true => AskError::NotPlain(error),
        false => broken(error),
    }
}
