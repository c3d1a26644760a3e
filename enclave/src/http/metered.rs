//! Counts the bytes on a connection, and knows a beginning that is none of a client's.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use transport::ProxyHeader;

use super::entrance::{NoHeader, Refusals};
use super::metrics::ConnectionMetrics;

/// A stream whose bytes are counted with those of all clients.
pub(super) struct Metered<'a, S> {
    stream: S,
    all: &'a ConnectionMetrics,
    /// Who is to be told of a header, until the first byte.
    refusals: Option<&'a Refusals>,
}

impl<'a, S> Metered<'a, S> {
    pub(super) fn new(stream: S, all: &'a ConnectionMetrics) -> Self {
        Self { stream, all, refusals: None }
    }

    /// Refused, counted and told of if it begins with a header. To HTTP and TLS that is but a client's
    /// mistake, whose answer tells nobody who could mend it.
    pub(super) fn without_header(self, refusals: &'a Refusals) -> Self {
        Self { refusals: Some(refusals), ..self }
    }

    fn sent(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(length)) = written {
            self.all.sent_bytes.inc_by(u64::try_from(length).unwrap_or_default());
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let length = buffer.filled().len().saturating_sub(before);
        if length > 0 {
            self.all.received_bytes.inc_by(u64::try_from(length).unwrap_or_default());
            let came = buffer.filled().get(before..).unwrap_or_default();
            if let Some(refusals) = self.refusals.take().filter(|_| ProxyHeader::begins(came)) {
                self.all.rejected.proxy_header.inc();
                refusals.tell_of_header(&NoHeader::Unexpected);
                return Poll::Ready(Err(ErrorKind::InvalidData.into()));
            }
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<'_, S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.sent(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.sent(written)
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
    async fn each_byte_is_counted_once_either_way_however_it_is_cut() {
        let metrics = ConnectionMetrics::register(&mut MetricsRegistry::new());
        let (mut client, stream) = duplex(16);
        let mut metered = Metered::new(stream, &metrics);
        let (sends, receives) = ([7; 100], &mut [0; 100]);
        let (sent, received) = tokio::join!(client.write_all(&sends), metered.read_exact(receives));
        assert_eq!((sent.unwrap(), received.unwrap()), ((), 100));
        let (sent, received) =
            tokio::join!(metered.write_all(&sends[..77]), client.read_exact(&mut receives[..77]));
        assert_eq!((sent.unwrap(), received.unwrap()), ((), 77));
        let ConnectionMetrics { received_bytes, sent_bytes, .. } = &metrics;
        assert_eq!((received_bytes.get(), sent_bytes.get()), (100, 77));
    }
}
