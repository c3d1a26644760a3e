//! Requests of the relay itself to enclaves: health checks, and requests for metrics. Each request has its
//! own connection, which never carries bytes of clients.

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

/// A reason why a probe returned no response.
#[derive(Debug, Error)]
pub(crate) enum ProbeError {
    /// The connection attempt failed.
    #[error(transparent)]
    Unreachable(ConnectError),
    /// The queue of the listener is full.
    #[error(transparent)]
    BacklogFull(ConnectError),
    /// This process lacks a resource, such as a descriptor. The error is not a fault of the enclave.
    #[error(transparent)]
    LocalResource(ConnectError),
    /// The response is not plain HTTP.
    #[error("the endpoint did not respond with plain HTTP: {0}")]
    NotHttp(hyper::Error),
    /// The connection or the response failed in another way.
    #[error("{0}")]
    Protocol(#[from] Box<dyn Error + Send + Sync>),
    /// The probe exceeded its time limit.
    #[error("no response within {} s", .0.as_secs_f64())]
    Timeout(Duration),
}

/// A probe of one enclave, over a connection of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HealthProbe<'a> {
    pub(crate) enclave: &'a Enclave,
    /// True if connections to the listener for clients start with a PROXY protocol header.
    pub(crate) proxy_protocol: bool,
    /// Time limit of the whole probe.
    pub(crate) timeout: Duration,
}

impl HealthProbe<'_> {
    /// Sends a GET request for `path` to the admin endpoint of the enclave. An enclave without an admin
    /// endpoint receives the request on its listener for clients. A response body of more than `max_length`
    /// bytes is an error.
    pub(crate) async fn get(
        &self,
        path: &'static str,
        max_length: usize,
    ) -> Result<(StatusCode, Bytes), ProbeError> {
        timeout(self.timeout, self.fetch(path, max_length))
            .await
            .unwrap_or(Err(ProbeError::Timeout(self.timeout)))
    }

    /// Checks that the enclave accepts a connection on its listener for clients.
    pub(crate) async fn connect(&self) -> Result<(), ProbeError> {
        let opened = timeout(self.timeout, open(&self.enclave.endpoint, self.proxy_protocol)).await;
        opened.unwrap_or(Err(ProbeError::Timeout(self.timeout))).map(drop)
    }

    /// Sends the request and reads the response, without a time limit.
    async fn fetch(
        &self,
        path: &'static str,
        max_length: usize,
    ) -> Result<(StatusCode, Bytes), ProbeError> {
        let stream = match &self.enclave.admin {
            Some(admin) => open(admin, false).await?,
            None => open(&self.enclave.endpoint, self.proxy_protocol).await?,
        };
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(protocol_error)?;
        let request = Request::get(path)
            .header(HOST, "enclave")
            .header(CONNECTION, "close")
            .body(Empty::<Bytes>::new())
            .map_err(protocol_error)?;
        let response = async move {
            let response = sender.send_request(request).await.map_err(response_error)?;
            let status = response.status();
            let body = Limited::new(response.into_body(), max_length).collect().await?;
            Ok((status, body.to_bytes()))
        };
        // The connection ends with the response. An error of the connection would only repeat the error of
        // the response.
        let (response, _) = tokio::join!(response, connection);
        response
    }
}

/// Connects to `endpoint`, and sends a PROXY protocol header without an address if `proxy_protocol` is set.
async fn open(endpoint: &Endpoint, proxy_protocol: bool) -> Result<Stream, ProbeError> {
    let mut stream = connect(endpoint).await.map_err(connect_error)?;
    if proxy_protocol {
        stream.write_all(&ProxyHeader::default().encode(None)).await.map_err(protocol_error)?;
    }
    Ok(stream)
}

/// Classifies an error of a connection attempt by its errno.
fn connect_error(error: ConnectError) -> ProbeError {
    const ENOMEM: i32 = 12;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    const EADDRNOTAVAIL: i32 = 99;
    const ENOBUFS: i32 = 105;
    match error.source.raw_os_error() {
        Some(ENOMEM | ENFILE | EMFILE | EADDRNOTAVAIL | ENOBUFS) => {
            ProbeError::LocalResource(error)
        }
        _ if error.source.kind() == ErrorKind::WouldBlock => ProbeError::BacklogFull(error),
        _ => ProbeError::Unreachable(error),
    }
}

fn protocol_error(error: impl Into<Box<dyn Error + Send + Sync>>) -> ProbeError {
    ProbeError::Protocol(error.into())
}

/// Classifies an error of the HTTP exchange.
fn response_error(error: hyper::Error) -> ProbeError {
    // If the peer closes the connection without a byte, its protocol is unknown. So only an unparsable
    // response is [`ProbeError::NotHttp`].
    match error.is_parse() {
        true => ProbeError::NotHttp(error),
        false => protocol_error(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn local_resource_errors_are_not_the_enclaves() {
        let error_of =
            |source| connect_error(ConnectError { endpoint: Endpoint::Unix("a".into()), source });
        for missing in [12, 23, 24, 99, 105] {
            let error = error_of(io::Error::from_raw_os_error(missing));
            assert!(matches!(error, ProbeError::LocalResource(_)), "{error:?}");
        }
        assert!(matches!(error_of(ErrorKind::WouldBlock.into()), ProbeError::BacklogFull(_)));
        for unreachable in [ErrorKind::ConnectionRefused, ErrorKind::NotFound, ErrorKind::TimedOut]
        {
            assert!(matches!(error_of(unreachable.into()), ProbeError::Unreachable(_)));
        }
    }
}
