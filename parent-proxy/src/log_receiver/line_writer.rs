//! The queue of lines that wait for the sink, and the thread that writes them.

use std::io::{self, Write};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;
use transport::limits::FLUSH_TIMEOUT;

use super::counts::Counts;
use super::whole_lines::WholeLines;

/// Maximum length of the queue in bytes, including [`LINE_OVERHEAD`] of each line.
const MAX_QUEUED_LENGTH: usize = 4 * 1024 * 1024;

/// Minimum memory of a queued line besides its bytes.
const LINE_OVERHEAD: usize = 128;

/// Maximum length of a batch in bytes. A write of up to `PIPE_BUF` bytes (4,096) to a pipe is atomic
/// (pipe(7)), so the batches of two writers never mix. A longer line is written alone, and can mix.
const BATCH_LENGTH: usize = 4096;

/// Time for which the thread waits for more lines, because a wake-up costs more than writing a line.
const BATCH_DELAY: Duration = Duration::from_millis(2);

/// Number of queued lines that are written without waiting for more.
const FULL_BATCH: usize = 256;

/// A bounded queue of lines, and the thread that writes them to the sink. The thread ends once the
/// `LineWriter` is dropped and the queue is empty.
#[derive(Debug)]
pub(super) struct LineWriter {
    /// Free bytes of the queue.
    free: Arc<Semaphore>,
    queue: UnboundedSender<QueuedLine>,
}

/// A queued line. `_room` is the part of the queue that the line occupies, or `None` if the line exceeds the
/// queue.
#[derive(Debug)]
struct QueuedLine {
    line: Vec<u8>,
    _room: Option<OwnedSemaphorePermit>,
}

impl LineWriter {
    /// Starts a thread that writes to `sink`. Also returns a handle to wait for its end.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub(super) fn start(
        sink: impl Write + Send + 'static,
        counts: Counts,
    ) -> io::Result<(Self, WriterDone)> {
        let (queue, queued) = unbounded_channel();
        let (end, ended) = oneshot::channel();
        thread::Builder::new().name("log_receiver".to_owned()).spawn(move || {
            write_all(queued, WholeLines::new(sink), &counts);
            drop(end);
        })?;
        let free = Arc::new(Semaphore::new(MAX_QUEUED_LENGTH));
        Ok((Self { free, queue }, WriterDone(ended)))
    }

    /// Waits for room for `line`. The semaphore is fair: callers get room in the order of their calls.
    pub(super) async fn room_for(&self, line: &Vec<u8>) -> Option<OwnedSemaphorePermit> {
        // Never `None`: the semaphore is never closed.
        Arc::clone(&self.free).acquire_many_owned(length_of(line)).await.ok()
    }

    /// Returns room for `line` if there is enough and no other caller waits for it.
    pub(super) fn try_room_for(&self, line: &Vec<u8>) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.free).try_acquire_many_owned(length_of(line)).ok()
    }

    /// Appends `line` to the queue. Without `room`, the line is queued beyond the maximum length of the
    /// queue.
    pub(super) fn queue(&self, line: Vec<u8>, room: Option<OwnedSemaphorePermit>) {
        // An error means that the thread panicked, which is reported on stderr.
        let _ = self.queue.send(QueuedLine { line, _room: room });
    }
}

/// Returns the room that `line` needs, in bytes.
fn length_of(line: &Vec<u8>) -> u32 {
    u32::try_from(line.capacity() + LINE_OVERHEAD).unwrap_or(u32::MAX)
}

/// A handle to wait for the last line.
#[derive(Debug)]
pub(crate) struct WriterDone(oneshot::Receiver<()>);

impl WriterDone {
    /// Waits until all queued lines are written, for [`FLUSH_TIMEOUT`] at most. The caller must drop the log
    /// receiver before.
    pub(crate) async fn wait(self) {
        // An error means that the time limit has passed, or that the thread has ended. In both cases there is
        // nothing left to do.
        let _ = timeout(FLUSH_TIMEOUT, self.0).await;
    }
}

/// Writes queued lines in batches until the queue is closed and empty. Counts the lines of failed writes.
fn write_all(mut queue: UnboundedReceiver<QueuedLine>, mut sink: impl Write, counts: &Counts) {
    let mut next = None;
    while let Some(first) = next.take().or_else(|| receive(&mut queue)) {
        let (mut batch, mut lines) = (first.line, 1);
        while let Ok(line) = queue.try_recv() {
            if batch.len() + line.line.len() > BATCH_LENGTH {
                next = Some(line);
                break;
            }
            batch.extend_from_slice(&line.line);
            lines += 1;
        }
        if sink.write_all(&batch).and_then(|()| sink.flush()).is_err() {
            counts.add_write_failed(lines);
        }
    }
}

/// Waits for the next line. Then waits for [`BATCH_DELAY`] unless the queue already has a full batch.
fn receive(queue: &mut UnboundedReceiver<QueuedLine>) -> Option<QueuedLine> {
    let first = queue.blocking_recv()?;
    if queue.len() < FULL_BATCH {
        thread::sleep(BATCH_DELAY);
    }
    Some(first)
}
