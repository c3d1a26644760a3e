//! One client's connection.

use std::fmt;
use std::future::Future;
use std::pin::pin;

use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use shared::transport::limits::HEADER_READ_TIMEOUT;
use tokio::io::{AsyncRead, AsyncWrite};

use super::body::{self, BodyError, LargeBodies};
use super::http1::{Manner, serve_requests};
use super::{Channel, Content, Received, RequestId};
use crate::platform::Platform;
use crate::service::Service;

/// The service over HTTP/1.1: what all its connections share.
pub struct Server<P: Platform> {
    service: Service<P>,
    large_bodies: LargeBodies,
}

impl<P: Platform> Server<P> {
    /// For `service`.
    pub fn new(service: Service<P>) -> Self {
        Self { service, large_bodies: LargeBodies::new() }
    }

    /// What is served.
    pub(super) fn service(&self) -> &Service<P> {
        &self.service
    }

    /// Serves one client, over TLS if it ends here.
    pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        drain: impl Future<Output = ()>,
    ) {
        let Some(tls) = self.service.tls() else {
            return self.serve_connection(stream, Channel::Plain, drain).await;
        };
        let mut drain = pin!(drain);
        let accepted = tokio::select! {
            accepted = tls.accept(stream) => accepted,
            // Who has not asked for anything yet is not waited for.
            () = drain.as_mut() => return,
        };
        match accepted {
            Ok((stream, channel)) => self.serve_connection(stream, channel, drain).await,
            Err(error) => tracing::debug!("a client is not served: {error}"),
        }
    }

    /// Serves one client's requests until it closes or falls silent, the connection is old, or
    /// `drain` is done: then until the answer that is due has been written.
    pub async fn serve_connection<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        channel: Channel,
        drain: impl Future<Output = ()>,
    ) {
        let answer = service_fn(|request| self.respond(channel, request));
        let manner = Manner { header_timeout: HEADER_READ_TIMEOUT, keep_alive: true };
        serve_requests(stream, answer, manner, drain).await;
    }

    async fn respond(
        &self,
        channel: Channel,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Content>>, Hangup> {
        let Self { service, large_bodies } = self;
        let id = RequestId::random();
        let (head, body) = request.into_parts();
        let unread = Received { id, channel, head: &head, body: &[] };
        let answer = match body::read(&head, body, large_bodies).await {
            Ok(body) => service.answer(Received { body: &body.bytes, ..unread }).await,
            Err(BodyError::Refused(error)) => service.refuse(unread, &error).and_close(),
            Err(BodyError::Lost) => return Err(Hangup),
        };
        Ok(answer.into_response(id, service.now()))
    }
}

/// The client gets no answer, only the end of its connection.
#[derive(Debug)]
struct Hangup;

impl fmt::Display for Hangup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the request's body did not arrive")
    }
}

impl std::error::Error for Hangup {}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::io;
    use std::pin::Pin;
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Poll};

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadBuf, duplex};

    use super::*;
    use crate::platform::fake;

    /// Cannot write vectored, like vsock; notes each write.
    struct Recorder {
        stream: DuplexStream,
        writes: Arc<Mutex<Vec<Vec<u8>>>>,
    }

    impl AsyncRead for Recorder {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.stream).poll_read(context, buffer)
        }
    }

    impl AsyncWrite for Recorder {
        fn poll_write(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.writes.lock().unwrap().push(bytes.to_vec());
            Pin::new(&mut self.stream).poll_write(context, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.stream).poll_flush(context)
        }

        fn poll_shutdown(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.stream).poll_shutdown(context)
        }
    }

    #[tokio::test]
    async fn random_bytes_are_not_copied_behind_the_header_where_writes_are_not_vectored() {
        let server = Server::new(fake::service().await);
        let (mut client, stream) = duplex(64 * 1024);
        let writes = Arc::new(Mutex::new(Vec::new()));
        let recorder = Recorder { stream, writes: Arc::clone(&writes) };
        let request = b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
            Content-Type: application/x-amz-json-1.1\r\n\
            X-Amz-Target: TrentService.GenerateRandom\r\n\
            Content-Length: 19\r\n\r\n{\"NumberOfBytes\":3}";
        client.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        let (read, ()) = tokio::join!(
            client.read_to_end(&mut answer),
            server.serve_connection(recorder, Channel::Plain, pending())
        );
        read.unwrap();
        let head_end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let body = &answer[head_end + 4..];
        assert!(body.starts_with(br#"{"Plaintext":""#), "{body:?}");
        // The body is a write of its own: straight from the bytes that are wiped afterwards.
        assert!(writes.lock().unwrap().iter().any(|write| write == body));
    }
}
