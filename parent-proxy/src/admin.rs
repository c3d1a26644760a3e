//! What whoever watches the relay may ask in plain: health, readiness and metrics, and nothing else.

use std::convert::Infallible;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::timeout;
use transport::limits::{ADMIN_HEADER_READ_TIMEOUT, MAX_ADMIN_CONNECTIONS, WRITE_TIMEOUT};
use transport::{Acceptor, Stream};

use crate::status::{self, Status};

const TEXT: &str = "text/plain; charset=utf-8";
const NOTHING_ELSE: &str = "nothing else is here than GET /healthz, /readyz and /metrics\n";

/// Answers whoever connects until `stop` is ready, then lets open connections end.
pub(crate) async fn run(acceptor: Acceptor, status: Arc<Status>, stop: impl Future<Output = ()>) {
    let serve = |stream| serve(stream, Arc::clone(&status));
    acceptor.serve_until(stop, MAX_ADMIN_CONNECTIONS, serve).await;
}

/// One request a connection, so that nobody holds one for long.
async fn serve(stream: Stream, status: Arc<Status>) {
    let answer = service_fn(async |request| answer(&request, &status).await);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(ADMIN_HEADER_READ_TIMEOUT)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answer);
    // How it ended is the client's to know.
    drop(timeout(ADMIN_HEADER_READ_TIMEOUT + WRITE_TIMEOUT, connection).await);
}

async fn answer(
    request: &Request<Incoming>,
    status: &Status,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (code, kind, body) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/healthz") => (StatusCode::OK, TEXT, Bytes::from("ok\n")),
        (&Method::GET, "/readyz") => match status.unreadiness() {
            None => (StatusCode::OK, TEXT, Bytes::from("ready\n")),
            Some(reason) => {
                (StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("not ready: {reason}\n").into())
            }
        },
        (&Method::GET, "/metrics") => {
            (StatusCode::OK, status::CONTENT_TYPE, status.metrics().await)
        }
        _ => (StatusCode::NOT_FOUND, TEXT, NOTHING_ELSE.into()),
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(response)
}
