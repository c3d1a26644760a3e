//! Serves the connections of clients.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy, sink};
use tokio::sync::watch;
use tokio::time::timeout;
use transport::limits::{BODY_DISCARD_LENGTH, MAX_BODY_LENGTH, WRITE_TIMEOUT};
use transport::{LogThrottle, Stream};

use super::client_response::ClientResponse;
use super::forward::Forwarder;
use super::metrics::{Metrics, Outcome};
use crate::http1::{
    FramingError, Limits, Message, ReadError, RequestHead, idle_fault, read_message,
};
use crate::verified_connection::Request;

/// Time limit for the next request of a client, and for receiving it.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(75);

/// Time limit for the client to close its side after the last response. Closing a socket with unread bytes
/// resets the connection, which can destroy the response (RFC 9112 section 9.6).
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// The fields of one connection, which an intermediary must not forward (RFC 9110 section 7.6.1).
const CONNECTION_FIELDS: [&str; 3] = ["connection", "keep-alive", "proxy-connection"];

/// The server for clients.
#[derive(Debug)]
pub(super) struct Server {
    forwarder: Forwarder,
    /// Users that may connect to a Unix socket.
    client_uids: Vec<u32>,
    rejected_users: LogThrottle,
}

impl Server {
    pub(super) fn new(forwarder: Forwarder, client_uids: Vec<u32>) -> Self {
        Self { forwarder, client_uids, rejected_users: LogThrottle::default() }
    }

    /// Returns the URL of the upstream.
    pub(super) fn upstream(&self) -> String {
        self.forwarder.pool().verifier().upstream().to_string()
    }

    /// Returns the reason why requests would fail now, or `None`.
    pub(super) fn not_ready_reason(&self) -> Option<String> {
        self.forwarder.pool().fault()
    }

    /// Returns the metrics.
    pub(super) fn metrics(&self) -> &Arc<Metrics> {
        self.forwarder.metrics()
    }

    /// Maintains the connections to the upstream. Never returns.
    pub(super) async fn maintain(&self) {
        self.forwarder.pool().maintain().await;
    }

    /// Serves one connection until `stopped` is true.
    pub(super) async fn serve(self: Arc<Self>, stream: Stream, stopped: watch::Receiver<bool>) {
        match stream.peer_uid() {
            Ok(None) => {}
            Ok(Some(uid)) if self.client_uids.contains(&uid) => {}
            peer => return self.log_rejected_user(peer),
        }
        if let Err(error) = self.serve_requests(stream, stopped).await {
            tracing::debug!(%error, "connection of a client failed");
        }
    }

    fn log_rejected_user(&self, peer: io::Result<Option<u32>>) {
        if self.rejected_users.should_log() {
            let uid = peer.ok().flatten();
            tracing::warn!(uid, "connection of another user rejected; allow it with --client-uid");
        }
    }

    async fn serve_requests(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
        mut stopped: watch::Receiver<bool>,
    ) -> io::Result<()> {
        let limits = Limits { body: MAX_BODY_LENGTH, may_lack_length: true };
        loop {
            let read = timeout(REQUEST_TIMEOUT, read_message::<RequestHead>(&mut stream, limits));
            let read = tokio::select! {
                biased;
                read = read => read,
                _ = stopped.wait_for(|stopped| *stopped) => return Ok(()),
            };
            let (response, keeps_alive) = match read {
                Err(_) | Ok(Err(ReadError::Closed)) => return Ok(()),
                Ok(Err(ReadError::Io(error))) => return Err(error),
                Ok(Err(ReadError::Framing(error))) => {
                    self.metrics().count_request(Outcome::Invalid);
                    (ClientResponse::from_framing(error), false)
                }
                Ok(Ok(message)) => {
                    let keeps_alive = message.head.keeps_alive();
                    let response = self.respond(message).await;
                    match idle_fault(&mut stream) {
                        // A client that does not wait for the response might mistake the order.
                        Some(ReadError::Framing(_)) => {
                            (ClientResponse::from_framing(FramingError::ExtraBytes), false)
                        }
                        _ => (response, keeps_alive && !*stopped.borrow()),
                    }
                }
            };
            let now = self.forwarder.pool().verifier().clock().read().await;
            let bytes = response.encode(now.ok().map(|now| now.time), keeps_alive);
            timeout(WRITE_TIMEOUT, stream.write_all(&bytes)).await??;
            if !keeps_alive {
                return close(stream).await;
            }
        }
    }

    async fn respond(&self, message: Message<RequestHead>) -> ClientResponse {
        let Message { head, mut body } = message;
        let mut fields = head.fields;
        CONNECTION_FIELDS.iter().for_each(|name| fields.remove(name));
        let request = Request::received(fields, std::mem::take(&mut *body));
        match self.forwarder.forward(&request).await {
            Ok(response) => ClientResponse::from_upstream(response),
            Err(error) => ClientResponse::from_error(&error),
        }
    }
}

/// Closes the connection after the client has received the response.
async fn close(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    stream.shutdown().await?;
    let mut rest = stream.take(u64::try_from(BODY_DISCARD_LENGTH).unwrap_or(u64::MAX));
    timeout(CLOSE_TIMEOUT, copy(&mut rest, &mut sink())).await??;
    Ok(())
}
