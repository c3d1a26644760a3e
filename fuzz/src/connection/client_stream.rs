//! A client's connection without a network. The client sends the given pieces one by one, and then
//! closes its sending half.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The server's end of the connection.
pub(super) struct ClientStream<'a> {
    pieces: &'a [&'a [u8]],
    /// Number of bytes of the first piece that were read.
    read: usize,
    /// True if the next read must first return `Pending`, so that no read returns bytes of two
    /// pieces.
    is_waiting: bool,
    response: &'a mut Vec<u8>,
}

impl<'a> ClientStream<'a> {
    pub(super) fn new(pieces: &'a [&'a [u8]], response: &'a mut Vec<u8>) -> Self {
        Self { pieces, read: 0, is_waiting: false, response }
    }
}

impl AsyncRead for ClientStream<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.is_waiting) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some((piece, after)) = self.pieces.split_first() {
            let unread = &piece[self.read..];
            let length = unread.len().min(buffer.remaining());
            buffer.put_slice(&unread[..length]);
            self.read += length;
            if self.read == piece.len() {
                (self.pieces, self.read, self.is_waiting) = (after, 0, true);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientStream<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.response.extend(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
