use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::activity::Activity;

/// The most bytes one direction holds for a reader that is slower than the writer.
pub(crate) const MAX_PENDING: usize = 64 * 1024;

/// How often one poll reads or writes before it lets other connections have the thread.
const ROUNDS: usize = 16;

/// One direction of a connection: bytes from a reader to a writer, then the reader's EOF.
#[derive(Debug, Default)]
pub(crate) struct HalfPipe<'a> {
    /// What was read and could not be written at once. Without capacity whenever it is empty, so
    /// that an idle connection costs no buffer.
    pending: VecDeque<u8>,
    stage: Stage,
    unflushed: bool,
    moved: bool,
    /// Bytes read that nobody has counted yet.
    uncounted: usize,
    /// Told of what is read before it is written.
    activity: Option<&'a Activity>,
    /// Whether the streams are dropped once this direction is done, which says it to the writer: a
    /// shutdown(2) less for each connection.
    is_last: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Open,
    /// The reader is at EOF; what is pending goes first, then the writer is told.
    Closing,
    Done,
}

impl<'a> HalfPipe<'a> {
    /// Creates the direction of requests, each of which `activity` is told of before it is relayed.
    pub(crate) fn requests(activity: Option<&'a Activity>) -> Self {
        Self { activity, ..Self::default() }
    }

    /// Moves what can be moved; ready once the reader's EOF has reached the writer, or the writer
    /// is gone. `scratch` carries bytes within one call only.
    ///
    /// A writer that is gone ends this direction alone: the other may still hold its last answer.
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

    /// Whether a byte or an EOF has passed since the last call.
    pub(crate) fn take_moved(&mut self) -> bool {
        mem::take(&mut self.moved)
    }

    /// Returns whether bytes wait for a writer that is slower than the reader.
    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Bytes that have come since the last call.
    pub(crate) fn take_count(&mut self) -> usize {
        mem::take(&mut self.uncounted)
    }

    /// Tells that the other direction is done already.
    pub(crate) fn set_last(&mut self) {
        self.is_last = true;
    }

    /// One round: ready if anything moved, pending if both sides have to be waited for.
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
        // A full buffer stops the reading: the reader's peer then meets its own full socket.
        // `poll_drain` was pending, so the writer wakes us.
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

    /// Writes `bytes` behind what is pending, and keeps what the writer does not take.
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
                // Once and exactly: growing by doubling could end at twice the bound.
                self.pending.reserve_exact(MAX_PENDING);
            }
            self.pending.extend(rest);
        }
        Ok(())
    }

    /// Writes what is pending; ready once there is none.
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

    /// One write. A writer that is gone has taken everything, and this direction is done.
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
    /// What the buffer occupies, in bytes, full or not.
    pub(crate) fn capacity(&self) -> usize {
        self.pending.capacity()
    }
}

#[cfg(test)]
mod tests;
