//! A stream that counts its bytes, and that can reject an unexpected PROXY header.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use transport::ProxyHeader;

use super::metrics::ConnectionMetrics;
use super::peer_policy::{ProxyProtocolError, RejectionLog};

/// A stream that adds its bytes to the metrics of all client connections.
pub(super) struct CountingStream<'a, S> {
    stream: S,
    metrics: &'a ConnectionMetrics,
    /// The log for an unexpected PROXY header. `None` after the first byte, and on connections with the PROXY
    /// protocol.
    rejection_log: Option<&'a RejectionLog>,
}

impl<'a, S> CountingStream<'a, S> {
    pub(super) fn new(stream: S, metrics: &'a ConnectionMetrics) -> Self {
        Self { stream, metrics, rejection_log: None }
    }

    /// Makes the stream reject, count and log a PROXY header at its start. Otherwise, HTTP or TLS would report an
    /// error to the client, and the operator of the relay would not see the cause.
    pub(super) fn rejecting_proxy_header(self, rejection_log: &'a RejectionLog) -> Self {
        Self { rejection_log: Some(rejection_log), ..self }
    }

    fn count_sent(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(length)) = written {
            self.metrics.sent_bytes.inc_by(u64::try_from(length).unwrap_or_default());
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for CountingStream<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let length = buffer.filled().len().saturating_sub(before);
        if length > 0 {
            self.metrics.received_bytes.inc_by(u64::try_from(length).unwrap_or_default());
            let received = buffer.filled().get(before..).unwrap_or_default();
            if let Some(rejection_log) =
                self.rejection_log.take().filter(|_| ProxyHeader::is_start_of(received))
            {
                self.metrics.rejected.proxy_header.inc();
                rejection_log.log_proxy_error(&ProxyProtocolError::UnexpectedHeader);
                return Poll::Ready(Err(ErrorKind::InvalidData.into()));
            }
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for CountingStream<'_, S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.count_sent(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.count_sent(written)
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;
    use crate::metrics::MetricsRegistry;

    #[tokio::test]
    async fn counts_each_byte_once_in_both_directions() {
        let metrics = ConnectionMetrics::register(&mut MetricsRegistry::new());
        let (mut client, server) = duplex(16);
        let mut stream = CountingStream::new(server, &metrics);
        let (sends, receives) = ([7; 100], &mut [0; 100]);
        let (sent, received) = tokio::join!(client.write_all(&sends), stream.read_exact(receives));
        assert_eq!((sent.unwrap(), received.unwrap()), ((), 100));
        let (sent, received) =
            tokio::join!(stream.write_all(&sends[..77]), client.read_exact(&mut receives[..77]));
        assert_eq!((sent.unwrap(), received.unwrap()), ((), 77));
        let ConnectionMetrics { received_bytes, sent_bytes, .. } = &metrics;
        assert_eq!((received_bytes.get(), sent_bytes.get()), (100, 77));
    }
}
