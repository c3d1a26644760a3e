//! One client's connection.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use transport::limits::HEADER_READ_TIMEOUT;
use transport::{ProxyHeader, Stream};

use super::body::{self, BodyError, LargeBodies};
use super::entrance::{Door, Peer, Refusals};
use super::http1::{Manner, serve_requests};
use super::metered::Metered;
use super::{Answer, Application, Content};
use crate::request::{Channel, ConnectionKey, Received, RequestId};

/// The service over HTTP/1.1: what all its connections share.
pub struct Server<A: Application> {
    application: A,
    large_bodies: LargeBodies,
    refusals: Refusals,
    /// The number of the next connection.
    next_number: AtomicU64,
}

/// A connection, and where it comes from.
#[derive(Clone, Copy, Debug)]
struct Connection {
    key: ConnectionKey,
    /// What its PROXY header says.
    header: ProxyHeader,
    channel: Channel,
}

impl<A: Application> Server<A> {
    /// Returns a server for `application`, which has accepted no connection yet.
    pub fn new(application: A) -> Self {
        Self {
            application,
            large_bodies: LargeBodies::new(),
            refusals: Refusals::default(),
            next_number: AtomicU64::new(0),
        }
    }

    /// Returns what is served.
    pub(super) fn application(&self) -> &A {
        &self.application
    }

    /// Returns the peer that connected to `door`, if it may; one that may not is counted and logged.
    pub(super) fn admit(&self, door: Door, stream: &Stream) -> Option<Peer> {
        // Of who has gone already nothing is known.
        Peer::of(stream).filter(|peer| self.admits_peer(door, *peer))
    }

    fn admits_peer(&self, door: Door, peer: Peer) -> bool {
        let admits = self.application.entrance().admits(door, peer);
        if !admits {
            self.application.connections().rejected.peer.inc();
            self.refusals.tell_of_peer(door, peer);
        }
        admits
    }

    /// Serves one client, over TLS if it ends here.
    pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        peer: Peer,
        drain: impl Future<Output = ()>,
    ) {
        let (connections, entrance) = (self.application.connections(), self.application.entrance());
        let _open = connections.open();
        let mut stream = Metered::new(stream, connections);
        if !entrance.proxy_protocol {
            stream = stream.without_header(&self.refusals);
        }
        let mut drain = pin!(drain);
        // Who has not asked for anything yet is not waited for.
        let header = tokio::select! {
            biased;
            header = entrance.read_header(&mut stream) => header,
            () = drain.as_mut() => return,
        };
        let header = match header {
            Ok(header) => header,
            Err(error) => {
                connections.rejected.proxy_header.inc();
                return self.refusals.tell_of_header(&error);
            }
        };
        let key = self.next_key(entrance.client_addr(&header, peer));
        let Some(tls) = self.application.tls() else {
            let connection = Connection { key, header, channel: Channel::Plain };
            return self.serve_from(connection, stream, drain).await;
        };
        let accepted = tokio::select! {
            accepted = tls.accept(stream) => accepted,
            () = drain.as_mut() => return,
        };
        match accepted {
            Ok((stream, channel)) => {
                self.serve_from(Connection { key, header, channel }, stream, drain).await;
            }
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
        let key = self.next_key(None);
        let connection = Connection { key, header: ProxyHeader::default(), channel };
        self.serve_from(connection, stream, drain).await;
    }

    fn next_key(&self, client_addr: Option<IpAddr>) -> ConnectionKey {
        ConnectionKey::new(self.next_number.fetch_add(1, Ordering::Relaxed), client_addr)
    }

    /// As [`serve_connection`](Self::serve_connection), whom the connection comes from being known.
    async fn serve_from<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        connection: Connection,
        stream: S,
        drain: impl Future<Output = ()>,
    ) {
        // HTTP/1.1 answers in order: hyper reads no further request before this one is answered.
        let answer = service_fn(|request| self.respond(connection, request));
        let manner = Manner { header_timeout: HEADER_READ_TIMEOUT, keep_alive: true };
        serve_requests(stream, answer, manner, drain).await;
    }

    async fn respond(
        &self,
        connection: Connection,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Content>>, Hangup> {
        let request_id = RequestId::on(connection.header.connection);
        // What requests share is either whole after each step or poisoned, and then says so by itself: a
        // DRBG that was left half-way is not used again.
        let answer = AssertUnwindSafe(self.answer(request_id, connection, request));
        let answer = answer.catch_unwind().await.unwrap_or_else(|_| {
            // A bug; the panic's own message on stderr says where it is.
            tracing::error!(%request_id, "the handler of a request panicked");
            Ok(self.application.handler_panicked().and_close())
        });
        Ok(answer?.into_response(request_id, self.application.now()))
    }

    async fn answer(
        &self,
        id: RequestId,
        connection: Connection,
        request: Request<Incoming>,
    ) -> Result<Answer, Hangup> {
        let Self { application, large_bodies, .. } = self;
        let (head, body) = request.into_parts();
        let Connection { key, header, channel } = connection;
        let source = header.client.map(|client| client.ip());
        let unread = Received { id, connection: key, channel, source, head: &head, body: &[] };
        match body::read(&head, body, large_bodies).await {
            Ok(body) => Ok(application.handle(Received { body: &body.bytes, ..unread }).await),
            Err(BodyError::Rejected(error)) => Ok(application.reject(unread, error).and_close()),
            Err(BodyError::Lost) => Err(Hangup),
        }
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
#[path = "connection_tests.rs"]
mod tests;
