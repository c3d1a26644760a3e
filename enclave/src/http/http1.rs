//! HTTP/1.1 on one stream.

use std::error::Error;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::HttpService;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::coop::unconstrained;
use tokio::time::sleep;
use transport::limits::{MAX_HEADER_LENGTH, WRITE_TIMEOUT};

use super::ZeroizingBody;
use super::timeouts::{CONNECTION_LIFETIME, HeaderTimer, WriteTimeoutStream};

/// How long who asks may take, and how often.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectionOptions {
    /// How long a request's header may take, and silence between two requests.
    pub(super) header_timeout: Duration,
    /// Whether there may be two.
    pub(super) keep_alive: bool,
}

/// Serves requests until the client closes or falls silent, the connection is old, or `drain` is done:
/// then until the answer that is due has been written.
pub(super) async fn serve_requests<S, A>(
    stream: S,
    service: A,
    options: ConnectionOptions,
    drain: impl Future<Output = ()>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
    A: HttpService<Incoming, ResBody = Full<ZeroizingBody>>,
    A::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let connection = http1::Builder::new()
        // A client that shuts down its sending side after the request still gets its answer.
        .half_close(true)
        .auto_date_header(false)
        // At most 100 headers, which is the default; where it is set, hyper allocates room for them.
        .max_header_size(MAX_HEADER_LENGTH)
        .timer(HeaderTimer { limit: options.header_timeout })
        .keep_alive(options.keep_alive)
        .header_read_timeout(options.header_timeout)
        // An answer's body is written from where it stands and is wiped. Else it would be
        // copied behind the header wherever a stream cannot write vectored, as vsock cannot.
        .writev(true)
        .serve_connection(TokioIo::new(WriteTimeoutStream::new(stream, WRITE_TIMEOUT)), service);
    let mut connection = pin!(connection);
    // A timer and a channel take locks when they are polled, and nearly always it was a request that woke
    // this task. FuturesUnordered polls a future only after the future's own waker fired.
    // Unconstrained, or requests that use up the task's budget would hide the timer for ever.
    let mut end_of_requests = FuturesUnordered::from_iter([unconstrained(async {
        tokio::select! {
            () = drain => {}
            () = sleep(CONNECTION_LIFETIME) => {}
        }
    })]);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => Some(ended),
        _ = end_of_requests.next() => None,
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
