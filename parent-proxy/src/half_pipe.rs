//! One direction of a relayed connection.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::activity::Activity;

/// Maximum number of bytes buffered for a writer that is slower than the reader.
pub(crate) const MAX_PENDING: usize = 64 * 1024;

/// Number of reads and writes of one poll, before other connections get the thread.
const ROUNDS: usize = 16;

/// One direction of a connection: relays the bytes of a reader to a writer, then the reader's EOF.
#[derive(Debug, Default)]
pub(crate) struct HalfPipe<'a> {
    /// Bytes that were read but not written yet. The buffer has no capacity while it is empty, so an idle
    /// connection costs no memory.
    pending: VecDeque<u8>,
    stage: Stage,
    unflushed: bool,
    moved: bool,
    /// Number of bytes read since the last [`take_count`](Self::take_count).
    uncounted: usize,
    /// The record of the connection's activity. A request is recorded before it is written.
    activity: Option<&'a Activity>,
    /// True if the other direction is done. Both streams are then dropped after this direction is done. The
    /// drop sends the EOF, which saves a shutdown(2).
    is_last: bool,
}

/// The stage of a half pipe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Open,
    /// The reader is at EOF. Pending bytes are written first, then the EOF.
    Closing,
    Done,
}

impl<'a> HalfPipe<'a> {
    /// Creates the half pipe from client to upstream. `activity` records each request before it is relayed.
    pub(crate) fn requests(activity: Option<&'a Activity>) -> Self {
        Self { activity, ..Self::default() }
    }

    /// Relays the bytes that are available. Ready once the reader's EOF was relayed, or the writer is closed.
    /// `scratch` is a read buffer that is used within one call only.
    ///
    /// A closed writer ends only this direction. The other direction may still carry its last response.
    pub(crate) fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
        scratch: &mut [u8],
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        for _ in 0..ROUNDS {
            match self.stage {
                Stage::Open => ready!(self.poll_copy(cx, reader, writer, scratch))?,
                Stage::Closing => ready!(self.poll_close(cx, writer))?,
                Stage::Done => return Poll::Ready(Ok(())),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Returns whether a byte or an EOF was relayed since the last call.
    pub(crate) fn take_moved(&mut self) -> bool {
        mem::take(&mut self.moved)
    }

    /// Returns whether bytes are buffered for a slow writer.
    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Returns the number of bytes read since the last call.
    pub(crate) fn take_count(&mut self) -> usize {
        mem::take(&mut self.uncounted)
    }

    /// Records that the other direction is done.
    pub(crate) fn set_last(&mut self) {
        self.is_last = true;
    }

    /// Reads and writes once. Ready if bytes were relayed, pending if neither side is ready.
    fn poll_copy<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
        scratch: &mut [u8],
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let drained = self.poll_drain(cx, writer)?;
        if self.stage == Stage::Done {
            return Poll::Ready(Ok(()));
        }
        // While the buffer is full, nothing is read, so the sender must wait. `poll_drain` returned pending,
        // so the writer wakes this task.
        let room = MAX_PENDING.saturating_sub(self.pending.len());
        if room == 0 {
            return Poll::Pending;
        }
        let mut scratch = ReadBuf::new(scratch);
        let mut received = scratch.take(room);
        if Pin::new(reader).poll_read(cx, &mut received)?.is_pending() {
            ready!(drained);
            ready!(self.poll_flush(cx, writer))?;
            return Poll::Pending;
        }
        if self.activity.is_some_and(|activity| !activity.await_response()) {
            return Poll::Ready(Err(io::Error::other("evicted to make room for a new connection")));
        }
        self.moved = true;
        self.uncounted += received.filled().len();
        if received.filled().is_empty() {
            self.stage = Stage::Closing;
        } else {
            self.forward(cx, writer, received.filled())?;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes `bytes` after the pending bytes. Buffers the bytes that the writer does not accept.
    fn forward<W>(&mut self, cx: &mut Context<'_>, writer: &mut W, bytes: &[u8]) -> io::Result<()>
    where
        W: AsyncWrite + Unpin,
    {
        let mut rest = bytes;
        if self.pending.is_empty()
            && let Poll::Ready(written) = self.poll_write(cx, writer, bytes)?
        {
            rest = bytes.get(written..).unwrap_or_default();
        }
        if self.stage != Stage::Done && !rest.is_empty() {
            if self.pending.capacity() == 0 {
                // The maximum is reserved at once, because growth by doubling could reach twice the maximum.
                self.pending.reserve_exact(MAX_PENDING);
            }
            self.pending.extend(rest);
        }
        Ok(())
    }

    /// Writes the pending bytes. Ready once there are none.
    fn poll_drain<W>(&mut self, cx: &mut Context<'_>, writer: &mut W) -> Poll<io::Result<()>>
    where
        W: AsyncWrite + Unpin,
    {
        if self.pending.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let mut pending = mem::take(&mut self.pending);
        while !pending.is_empty() {
            match self.poll_write(cx, writer, pending.as_slices().0)? {
                Poll::Ready(written) => drop(pending.drain(..written.min(pending.len()))),
                Poll::Pending => {
                    self.pending = pending;
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Writes the pending bytes, then the EOF.
    fn poll_close<W>(&mut self, cx: &mut Context<'_>, writer: &mut W) -> Poll<io::Result<()>>
    where
        W: AsyncWrite + Unpin,
    {
        ready!(self.poll_drain(cx, writer))?;
        if self.stage == Stage::Closing && self.is_last {
            ready!(self.poll_flush(cx, writer))?;
            self.stage = Stage::Done;
        }
        if self.stage == Stage::Closing {
            // A shutdown implies a flush.
            match ready!(Pin::new(writer).poll_shutdown(cx)) {
                Err(error) if !is_closed_by_peer(&error) => return Poll::Ready(Err(error)),
                Ok(()) | Err(_) => self.stage = Stage::Done,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Flushes the writer if bytes were written since the last flush.
    fn poll_flush<W>(&mut self, cx: &mut Context<'_>, writer: &mut W) -> Poll<io::Result<()>>
    where
        W: AsyncWrite + Unpin,
    {
        if self.unflushed {
            ready!(Pin::new(writer).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes once. If the writer is closed, the bytes are discarded and this direction is done.
    fn poll_write<W>(
        &mut self,
        cx: &mut Context<'_>,
        writer: &mut W,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>>
    where
        W: AsyncWrite + Unpin,
    {
        match ready!(Pin::new(writer).poll_write(cx, bytes)) {
            Ok(0) => Poll::Ready(Err(ErrorKind::WriteZero.into())),
            Ok(written) => {
                self.moved = true;
                self.unflushed = true;
                Poll::Ready(Ok(written))
            }
            Err(error) if is_closed_by_peer(&error) => {
                self.stage = Stage::Done;
                Poll::Ready(Ok(bytes.len()))
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

/// Returns whether the error means that the peer closed the connection.
fn is_closed_by_peer(error: &io::Error) -> bool {
    [
        ErrorKind::BrokenPipe,
        ErrorKind::ConnectionReset,
        ErrorKind::ConnectionAborted,
        ErrorKind::NotConnected,
    ]
    .contains(&error.kind())
}

#[cfg(test)]
impl<'a> HalfPipe<'a> {
    /// Returns the capacity of the buffer, in bytes.
    pub(crate) fn capacity(&self) -> usize {
        self.pending.capacity()
    }
}

#[cfg(test)]
mod tests;
