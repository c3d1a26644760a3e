//! Counts the outcome of each handshake.
//!
//! A client can reject the server certificate during the handshake or after it. Most clients verify the
//! certificate before they send Finished, and send an alert if they reject it. Other clients, such as Node.js,
//! verify the certificate after Finished. If they reject it, they send an alert or close the connection.
//! Therefore a handshake is counted as a success only after the first byte of a request, or after an orderly
//! close.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use prometheus_client::metrics::counter::Counter;
use rustls::{AlertDescription, HandshakeKind};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server;

use super::metrics::TlsMetrics;

/// Returns the counter of handshakes that failed with `error`.
pub(super) fn failure_counter<'a>(metrics: &'a TlsMetrics, error: &io::Error) -> &'a Counter {
    match alert(error) {
        Some(AlertDescription::UnknownCA) => return &metrics.unknown_ca,
        Some(AlertDescription::BadCertificate) => return &metrics.bad_certificate,
        // RFC 8446, section 6.1: these two alerts close the connection without an error.
        Some(AlertDescription::CloseNotify | AlertDescription::UserCanceled) => {
            return &metrics.closed;
        }
        Some(_) => return &metrics.other_alert,
        None => {}
    }
    match error.kind() {
        ErrorKind::UnexpectedEof
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::NotConnected => &metrics.closed,
        _ => &metrics.failed,
    }
}

/// Returns the alert from the client, if `error` is one.
fn alert(error: &io::Error) -> Option<AlertDescription> {
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::AlertReceived(alert) => Some(*alert),
        _ => None,
    }
}

/// The stream of a client after the handshake. The stream counts the handshake once. If the first read fails,
/// the stream counts a failure. The first read fails after an alert, or after a close without `close_notify`.
/// Otherwise, the stream counts a success.
#[derive(Debug)]
pub(crate) struct TlsStream<'a, S> {
    stream: server::TlsStream<S>,
    /// The counters, or `None` after the handshake has been counted.
    uncounted: Option<&'a TlsMetrics>,
}

impl<'a, S> TlsStream<'a, S> {
    pub(super) fn new(stream: server::TlsStream<S>, metrics: &'a TlsMetrics) -> Self {
        Self { stream, uncounted: Some(metrics) }
    }

    fn count_success(&mut self) {
        let Some(metrics) = self.uncounted.take() else { return };
        match self.stream.get_ref().1.handshake_kind() {
            Some(HandshakeKind::Resumed) => metrics.resumed.inc(),
            _ => metrics.full.inc(),
        };
    }
}

impl<S> Drop for TlsStream<'_, S> {
    fn drop(&mut self) {
        self.count_success();
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if self.uncounted.is_some() {
            match &read {
                Poll::Ready(Ok(())) if buffer.filled().len() > before => self.count_success(),
                Poll::Ready(Err(error)) => {
                    if let Some(metrics) = self.uncounted.take() {
                        failure_counter(metrics, error).inc();
                    }
                }
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
        }
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<'_, S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
