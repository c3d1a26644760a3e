//! One client's connection.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use shared::transport::Stream;
use shared::transport::limits::{HEADER_READ_TIMEOUT, MAX_HEADER_LENGTH, MAX_HEADERS};
use tokio::sync::watch;

use super::body::{self, BodyError};
use crate::clock::Clock;
use crate::platform::Platform;
use crate::service::Service;

/// The client gets no answer, only the end of its connection.
#[derive(Debug)]
struct Hangup;

impl fmt::Display for Hangup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the request's body did not arrive")
    }
}

impl std::error::Error for Hangup {}

/// Serves requests until the client closes, falls silent, or the service drains.
pub(super) async fn serve<P: Platform>(
    stream: Stream,
    service: Arc<Service<P>>,
    mut draining: watch::Receiver<bool>,
) {
    let answer = service_fn(|request| respond(&service, request));
    let connection = http1::Builder::new()
        // A client that shuts down its sending side after the request still gets its answer.
        .half_close(true)
        .auto_date_header(false)
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEADER_LENGTH)
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ_TIMEOUT)
        .serve_connection(TokioIo::new(stream), answer);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        // The guard this returns must not live on into the next await.
        _ = draining.wait_for(|draining| *draining) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection ended early: {error}");
    }
}

async fn respond<P: Platform>(
    service: &Service<P>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Hangup> {
    let (head, body) = request.into_parts();
    let answer = match body::read(&head, body).await {
        Ok(body) => service.answer(&head, body).await,
        Err(BodyError::Refused(answer)) => answer,
        Err(BodyError::Lost) => return Err(Hangup),
    };
    Ok(answer.into_response(service.platform.clock().now()))
}
