//! The admin endpoint of the relay: `/healthz`, `/readyz` and `/metrics` over plain HTTP/1.1.
//!
//! The server handles one request per connection and reads no body. The parser `httparse` suffices for such
//! requests, so the relay does not link the server of hyper.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::{StatusCode, Uri};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy, sink};
use tokio::time::timeout;
use transport::limits::{
    ADMIN_HEADER_READ_TIMEOUT, BODY_DISCARD_LENGTH, MAX_ADMIN_CONNECTIONS, WRITE_TIMEOUT,
};
use transport::{Acceptor, Stream};

use crate::status::{self, Status};

/// Maximum length of a request head, in bytes.
const MAX_HEAD_LENGTH: usize = 8 * 1024;

/// Maximum number of headers of a request.
const MAX_HEADERS: usize = 32;

/// Time limit for the client to close its side after the response. Closing a socket with unread bytes resets
/// the connection, which can destroy the response before the client reads it (RFC 9112, section 9.6).
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

const TEXT: &str = "text/plain; charset=utf-8";
const NOT_FOUND_BODY: &str = "not found: only GET /healthz, /readyz and /metrics are served\n";

/// Serves connections until `stop` is ready, then waits until the open connections have ended.
pub(crate) async fn run(acceptor: Acceptor, status: Arc<Status>, stop: impl Future<Output = ()>) {
    let serve = |stream| serve(stream, Arc::clone(&status));
    acceptor.serve_until(stop, MAX_ADMIN_CONNECTIONS, serve).await;
}

/// Handles one request, within a time limit.
async fn serve(stream: Stream, status: Arc<Status>) {
    let exchange = exchange(stream, async |request| respond(&request, &status).await);
    // A timeout or an I/O error affects only this client.
    let _ = timeout(ADMIN_HEADER_READ_TIMEOUT + WRITE_TIMEOUT, exchange).await;
}

/// Returns the response to `request`.
async fn respond(request: &Request, status: &Status) -> Response {
    let (code, kind, body) = match (&*request.method, request.target.path()) {
        ("GET", "/healthz") => (StatusCode::OK, TEXT, "ok\n".into()),
        ("GET", "/readyz") => match status.not_ready_reason() {
            None => (StatusCode::OK, TEXT, "ready\n".into()),
            Some(reason) => {
                (StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("not ready: {reason}\n").into())
            }
        },
        ("GET", "/metrics") => (StatusCode::OK, status::CONTENT_TYPE, status.metrics().await),
        _ => (StatusCode::NOT_FOUND, TEXT, NOT_FOUND_BODY.into()),
    };
    Response { code, kind: Some(kind), body, is_to_head: request.method == "HEAD" }
}

/// Reads a request from `stream`, writes the response of `respond`, and closes the connection.
async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    respond: impl AsyncFnOnce(Request) -> Response,
) -> io::Result<()> {
    let request = timeout(ADMIN_HEADER_READ_TIMEOUT, read_request(&mut stream)).await??;
    let response = match request {
        Ok(request) => respond(request).await,
        Err(code) => Response::empty(code),
    };
    stream.write_all(&response.encode()).await?;
    stream.shutdown().await?;
    let mut rest = stream.take(u64::try_from(BODY_DISCARD_LENGTH).unwrap_or(u64::MAX));
    timeout(CLOSE_TIMEOUT, copy(&mut rest, &mut sink())).await??;
    Ok(())
}

/// Reads the head of a request. Returns the status code of the response if the head is rejected.
///
/// # Errors
/// If the connection fails or ends within the head.
async fn read_request(
    stream: &mut (impl AsyncRead + Unpin),
) -> io::Result<Result<Request, StatusCode>> {
    let mut received = Vec::with_capacity(1024);
    let mut stream = stream.take(u64::try_from(MAX_HEAD_LENGTH).unwrap_or(u64::MAX));
    while stream.read_buf(&mut received).await? > 0 {
        if let Some(request) = Request::parse(&received).transpose() {
            return Ok(request);
        }
    }
    match stream.limit() {
        0 => Ok(Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// The parts of a request head that determine the response.
#[derive(Debug)]
struct Request {
    method: String,
    target: Uri,
}

impl Request {
    /// Parses a request head and ignores the bytes after it. Returns `None` if the head is incomplete.
    ///
    /// # Errors
    /// Returns the status code of the response if the head is malformed or has too many headers.
    fn parse(received: &[u8]) -> Result<Option<Self>, StatusCode> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut head = httparse::Request::new(&mut headers);
        match head.parse(received) {
            Ok(httparse::Status::Partial) => Ok(None),
            Ok(httparse::Status::Complete(_)) => {
                let target = head.path.and_then(|target| target.parse().ok());
                let method = head.method.map(str::to_owned);
                let request = method.zip(target).map(|(method, target)| Self { method, target });
                request.map(Some).ok_or(StatusCode::BAD_REQUEST)
            }
            Err(httparse::Error::TooManyHeaders) => {
                Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
            }
            Err(_) => Err(StatusCode::BAD_REQUEST),
        }
    }
}

/// A response. The server closes the connection after it.
#[derive(Debug)]
struct Response {
    code: StatusCode,
    /// Media type of the body, if there is one.
    kind: Option<&'static str>,
    body: Bytes,
    /// True if the body is omitted because the request method is HEAD (RFC 9110, section 9.3.2).
    is_to_head: bool,
}

impl Response {
    /// Creates a response without a body.
    fn empty(code: StatusCode) -> Self {
        Self { code, kind: None, body: Bytes::new(), is_to_head: false }
    }

    /// Encodes the response as HTTP/1.1.
    fn encode(&self) -> Vec<u8> {
        // The response contains the version of the server, even if the client sent HTTP/1.0 (RFC 9110,
        // section 6.2).
        let mut head = format!("HTTP/1.1 {}\r\n", self.code);
        if let Some(kind) = self.kind {
            head += &format!("content-type: {kind}\r\n");
        }
        head += &format!("content-length: {}\r\nconnection: close\r\n\r\n", self.body.len());
        let body = if self.is_to_head { &[] } else { &*self.body };
        [head.as_bytes(), body].concat()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{DuplexStream, duplex};
    use tokio::time::Instant;

    use super::*;

    const BAD: &str = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    const TOO_LONG: &str = "HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n\
                            connection: close\r\n\r\n";

    /// Returns a response with the method and the path of the request.
    async fn echo(request: Request) -> Response {
        let body = format!("{} {}", request.method, request.target.path()).into();
        let is_to_head = request.method == "HEAD";
        Response { code: StatusCode::OK, kind: Some(TEXT), body, is_to_head }
    }

    /// Returns a connection to a server that responds with [`echo`].
    fn connection() -> DuplexStream {
        let (client, server) = duplex(2 * MAX_HEAD_LENGTH);
        tokio::spawn(exchange(server, echo));
        client
    }

    async fn received(mut client: DuplexStream) -> String {
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        text
    }

    /// Returns the response to `request`.
    async fn response(request: &str) -> String {
        let mut client = connection();
        client.write_all(request.as_bytes()).await.unwrap();
        received(client).await
    }

    fn echo_response(body: &str) -> String {
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{body}",
            body.len()
        )
    }

    #[tokio::test]
    async fn parses_method_and_path_without_the_query() {
        for (request, expected) in [
            ("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", "GET /healthz"),
            ("GET /healthz HTTP/1.0\r\n\r\n", "GET /healthz"),
            ("\r\nGET /healthz HTTP/1.1\n\n", "GET /healthz"),
            ("get /healthz HTTP/1.1\r\n\r\n", "get /healthz"),
            ("GET /readyz?verbose=1 HTTP/1.1\r\n\r\n", "GET /readyz"),
            ("GET /readyz? HTTP/1.1\r\n\r\n", "GET /readyz"),
            ("GET http://host:1/metrics?a HTTP/1.1\r\n\r\n", "GET /metrics"),
            ("GET /metrics/ HTTP/1.1\r\n\r\n", "GET /metrics/"),
            ("POST /a HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody", "POST /a"),
            ("OPTIONS * HTTP/1.1\r\n\r\n", "OPTIONS *"),
            ("GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n", "GET /1"),
        ] {
            assert_eq!(response(request).await, echo_response(expected), "{request:?}");
        }
    }

    #[tokio::test]
    async fn response_to_head_has_no_body() {
        let expected = echo_response("HEAD /a");
        let head = expected.strip_suffix("HEAD /a").unwrap();
        assert_eq!(response("HEAD /a HTTP/1.1\r\n\r\n").await, head);
    }

    #[tokio::test]
    async fn rejects_a_malformed_head() {
        for request in [
            "GET /healthz\r\n\r\n",
            "GET  HTTP/1.1\r\n\r\n",
            "GET /healthz HTTP/2.0\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "GET /healthz HTTP/1.1\r\nname\r\n\r\n",
            "GET /healthz HTTP/1.1\r\na : b\r\n\r\n",
            "GET healthz:a:b HTTP/1.1\r\n\r\n",
            "\u{16}\u{3}\u{1}\u{2}",
        ] {
            assert_eq!(response(request).await, BAD, "{request:?}");
        }
    }

    #[tokio::test]
    async fn rejects_a_head_that_is_too_long() {
        let request_of = |length: usize| {
            let rest = "GET /a HTTP/1.1\r\na: \r\n\r\n".len();
            format!("GET /a HTTP/1.1\r\na: {}\r\n\r\n", "b".repeat(length - rest))
        };
        assert_eq!(response(&request_of(MAX_HEAD_LENGTH)).await, echo_response("GET /a"));
        assert_eq!(response(&request_of(MAX_HEAD_LENGTH + 1)).await, TOO_LONG);
        let request_of = |headers| format!("GET /a HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(headers));
        assert_eq!(response(&request_of(MAX_HEADERS)).await, echo_response("GET /a"));
        assert_eq!(response(&request_of(MAX_HEADERS + 1)).await, TOO_LONG);
    }

    #[tokio::test]
    async fn parses_a_request_that_arrives_byte_by_byte() {
        let mut client = connection();
        for byte in "GET /healthz?a HTTP/1.1\r\nHost: a\r\n\r\n".bytes() {
            client.write_all(&[byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(received(client).await, echo_response("GET /healthz"));
    }

    #[tokio::test]
    async fn sends_nothing_to_a_client_that_ends_within_the_head() {
        for request in ["", "GET /healthz HTTP/1.1\r\n"] {
            let mut client = connection();
            client.write_all(request.as_bytes()).await.unwrap();
            client.shutdown().await.unwrap();
            assert_eq!(received(client).await, "");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn closes_a_silent_connection_at_the_deadline() {
        for request in ["", "GET /healthz HTTP/1.1\r\n"] {
            let (started, mut client) = (Instant::now(), connection());
            client.write_all(request.as_bytes()).await.unwrap();
            assert_eq!(received(client).await, "");
            let elapsed = started.elapsed();
            assert!(elapsed >= ADMIN_HEADER_READ_TIMEOUT, "{elapsed:?}");
            assert!(elapsed < ADMIN_HEADER_READ_TIMEOUT + Duration::from_secs(1), "{elapsed:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn closes_although_the_client_keeps_its_side_open() {
        let (mut client, server) = duplex(MAX_HEAD_LENGTH);
        client.write_all(b"GET /a HTTP/1.1\r\n\r\n").await.unwrap();
        let started = Instant::now();
        let error = exchange(server, echo).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(started.elapsed() < CLOSE_TIMEOUT + Duration::from_secs(1));
        assert_eq!(received(client).await, echo_response("GET /a"));
    }
}
