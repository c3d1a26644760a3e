//! Serves HTTP/1.1 on one stream.

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

/// The options of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectionOptions {
    /// Maximum time to receive the header of a request, and maximum idle time between two requests.
    pub(super) header_timeout: Duration,
    /// True if the connection may carry more than one request.
    pub(super) keep_alive: bool,
}

/// Serves requests until one of these events:
///
/// - The client closes the connection.
/// - A timeout passes.
/// - The connection reaches its maximum age, or `drain` is ready. The current response is still written.
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
        // A client may shut down its sending side after the request, and still receives the response.
        .half_close(true)
        .auto_date_header(false)
        // hyper's default maximum of 100 headers applies. With an explicit maximum, hyper would allocate memory for
        // headers.
        .max_header_size(MAX_HEADER_LENGTH)
        .timer(HeaderTimer { limit: options.header_timeout })
        .keep_alive(options.keep_alive)
        .header_read_timeout(options.header_timeout)
        // With this option, hyper writes the response body from the body's own buffer, which is zeroized.
        // Otherwise, on streams without vectored writes, such as vsock, hyper would copy the body into a buffer
        // of hyper.
        .writev(true)
        .serve_connection(TokioIo::new(WriteTimeoutStream::new(stream, WRITE_TIMEOUT)), service);
    let mut connection = pin!(connection);
    // A poll of a timer or a channel takes a lock, and most wake-ups of this task are for I/O. FuturesUnordered
    // polls a future only after the future's own waker fired, so wake-ups for I/O take no lock. The future is
    // unconstrained, because requests can use up the budget of this task in tokio. A constrained timer might then
    // never fire.
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
        tracing::debug!(%error, "connection closed with an error");
    }
}
