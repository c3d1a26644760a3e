//! Serves one client connection.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt;
use http_body_util::Full;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use tokio::io::{AsyncRead, AsyncWrite};
use transport::{ProxyHeader, Stream};

use super::body::{self, BodyError, LargeBodies};
use super::counting_stream::CountingStream;
use super::http1::{ConnectionOptions, serve_requests};
use super::peer_policy::{Listener, Peer, RejectionLog};
use super::timeouts::HEADER_READ_TIMEOUT;
use super::{Application, Response, ZeroizingBody};
use crate::request::{ConnectionKey, RequestContext, RequestId, TransportSecurity};

/// An HTTP/1.1 server: the state that all its connections share.
pub struct Server<A: Application> {
    application: A,
    large_bodies: LargeBodies,
    rejection_log: RejectionLog,
    /// The number of the next connection.
    next_number: AtomicU64,
}

/// A client connection.
#[derive(Clone, Copy, Debug)]
struct Connection {
    key: ConnectionKey,
    /// The PROXY header. It is empty without the PROXY protocol.
    header: ProxyHeader,
    transport_security: TransportSecurity,
}

impl<A: Application> Server<A> {
    /// Creates a server for `application`.
    pub fn new(application: A) -> Self {
        Self {
            application,
            large_bodies: LargeBodies::new(),
            rejection_log: RejectionLog::default(),
            next_number: AtomicU64::new(0),
        }
    }

    /// Returns the application that is served.
    pub(super) fn application(&self) -> &A {
        &self.application
    }

    /// Returns the peer that connected to `listener`, if the policy accepts the peer. Counts and logs a rejected
    /// peer.
    pub(super) fn accept_peer(&self, listener: Listener, stream: &Stream) -> Option<Peer> {
        // A peer that has already disconnected is not counted.
        Peer::from_stream(stream).filter(|peer| self.accepts_peer(listener, *peer))
    }

    fn accepts_peer(&self, listener: Listener, peer: Peer) -> bool {
        let accepts = self.application.peer_policy().accepts(listener, peer);
        if !accepts {
            self.application.connection_metrics().rejected.peer.inc();
            self.rejection_log.log_peer(listener, peer);
        }
        accepts
    }

    /// Serves one client. Uses TLS if TLS is configured.
    pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        peer: Peer,
        drain: impl Future<Output = ()>,
    ) {
        let (metrics, peer_policy) =
            (self.application.connection_metrics(), self.application.peer_policy());
        let _open = metrics.open();
        let mut stream = CountingStream::new(stream, metrics);
        if !peer_policy.proxy_protocol {
            stream = stream.rejecting_proxy_header(&self.rejection_log);
        }
        let mut drain = pin!(drain);
        // The drain does not wait for a client that has sent no request.
        let header = tokio::select! {
            biased;
            header = peer_policy.read_proxy_header(&mut stream) => header,
            () = drain.as_mut() => return,
        };
        let header = match header {
            Ok(header) => header,
            Err(error) => {
                metrics.rejected.proxy_header.inc();
                return self.rejection_log.log_proxy_error(&error);
            }
        };
        let key = self.next_key(peer_policy.flow_addr(&header, peer));
        let Some(tls) = self.application.tls() else {
            let connection =
                Connection { key, header, transport_security: TransportSecurity::NoTls };
            return self.serve_from(connection, stream, drain).await;
        };
        let accepted = tokio::select! {
            accepted = tls.accept(stream) => accepted,
            () = drain.as_mut() => return,
        };
        match accepted {
            Ok((stream, transport_security)) => {
                self.serve_from(Connection { key, header, transport_security }, stream, drain)
                    .await;
            }
            Err(error) => tracing::debug!(%error, "TLS handshake failed"),
        }
    }

    /// Serves the requests on one connection whose client address is unknown.
    pub async fn serve_connection<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        transport_security: TransportSecurity,
        drain: impl Future<Output = ()>,
    ) {
        let key = self.next_key(None);
        let connection = Connection { key, header: ProxyHeader::default(), transport_security };
        self.serve_from(connection, stream, drain).await;
    }

    fn next_key(&self, flow_addr: Option<IpAddr>) -> ConnectionKey {
        ConnectionKey::new(self.next_number.fetch_add(1, Ordering::Relaxed), flow_addr)
    }

    /// Serves the requests on one connection.
    async fn serve_from<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        connection: Connection,
        stream: S,
        drain: impl Future<Output = ()>,
    ) {
        // hyper reads the next request only after it has written this response, because HTTP/1.1 responses are in
        // order.
        let service = service_fn(|request| self.respond(connection, request));
        let options = ConnectionOptions { header_timeout: HEADER_READ_TIMEOUT, keep_alive: true };
        serve_requests(stream, service, options, drain).await;
    }

    async fn respond(
        &self,
        connection: Connection,
        request: Request<Incoming>,
    ) -> Result<hyper::Response<Full<ZeroizingBody>>, ConnectionAborted> {
        let request_id = RequestId::for_connection(connection.header.connection_id);
        // `AssertUnwindSafe` is correct here. The state that requests share is consistent after each step. State
        // that a panic left inconsistent is poisoned, and then returns errors. For example, a DRBG that a panic
        // interrupted is not used again.
        let response = AssertUnwindSafe(self.dispatch(request_id, connection, request));
        let response = response.catch_unwind().await.unwrap_or_else(|_| {
            // The panic hook prints the location of the bug on stderr.
            tracing::error!(%request_id, "request handler panicked");
            Ok(self.application.handler_panicked().with_connection_close())
        });
        Ok(response?.into_hyper(request_id, self.application.now()))
    }

    async fn dispatch(
        &self,
        id: RequestId,
        connection: Connection,
        request: Request<Incoming>,
    ) -> Result<Response, ConnectionAborted> {
        let Self { application, large_bodies, .. } = self;
        let (head, body) = request.into_parts();
        let Connection { key, header, transport_security } = connection;
        let client_addr = header.client_addr.map(|address| address.ip());
        let unread = RequestContext {
            id,
            connection: key,
            transport_security,
            client_addr,
            head: &head,
            body: &[],
        };
        match body::read(&head, body, large_bodies).await {
            Ok(body) => {
                Ok(application.handle(RequestContext { body: &body.bytes, ..unread }).await)
            }
            Err(BodyError::Rejected(error)) => {
                Ok(application.reject(unread, error).with_connection_close())
            }
            Err(BodyError::Incomplete) => Err(ConnectionAborted),
        }
    }
}

/// The error that closes a connection without a response.
#[derive(Debug)]
struct ConnectionAborted;

impl fmt::Display for ConnectionAborted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("request body not received")
    }
}

impl std::error::Error for ConnectionAborted {}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
