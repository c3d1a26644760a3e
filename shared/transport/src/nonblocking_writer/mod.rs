//! A writer of lines that never blocks its callers. A thread of its own writes the lines.
//!
//! A pipe that is not read blocks its writer, so a slow reader would otherwise block the service. The crate
//! `tracing-appender` is similar, but prints to a standard stream when it ends. That blocks or panics if the
//! stream is not read.

mod line;
mod line_count;
mod log_writer;
mod queue;
mod writer_thread;

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

pub use line::Line;
use line_count::LineCount;
pub use log_writer::LogWriter;
pub use queue::QUEUE_LENGTH;
use queue::Queue;

/// A handle of the writing thread. The thread ends after the last handle is dropped.
#[derive(Debug)]
pub struct NonBlockingWriter<T: Line>(Arc<QueueOwner<T>>);

/// The shared part of all handles. Its drop closes the queue.
#[derive(Debug)]
struct QueueOwner<T: Line>(Arc<Queue<T>>);

impl<T: Line> Clone for NonBlockingWriter<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Line> NonBlockingWriter<T> {
    /// Spawns a thread named `name` that writes to `writer`.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn spawn(name: &str, writer: impl Write + Send + 'static) -> io::Result<Self> {
        let queue = Arc::new(Queue::new());
        let lines = Arc::clone(&queue);
        let thread = thread::Builder::new().name(name.to_owned());
        thread.spawn(move || writer_thread::run(&lines, writer))?;
        Ok(Self(Arc::new(QueueOwner(queue))))
    }

    /// Queues a line, or drops and counts it if the queue is full. Never waits. Returns the number of the line.
    ///
    /// Lines are numbered from 1, in the order in which they are written. A dropped line has a number too.
    pub fn send_or_drop(&self, line: T) -> u64 {
        self.queue().push_or_drop(line, has_primary_room)
    }

    /// Queues a line. Returns its number.
    ///
    /// # Errors
    /// The line, if the queue is full. Then the line takes no number.
    fn try_send(&self, line: T) -> Result<u64, T> {
        self.queue().try_push(line, has_primary_room, false)
    }

    /// Queues a line of lower priority. Returns its number.
    ///
    /// Secondary lines do not use the [`QUEUE_LENGTH`] places of primary lines. Secondary lines are accepted
    /// only while fewer than `limit` lines of both kinds wait. So a slow reader receives no secondary lines,
    /// and secondary lines never displace primary ones.
    ///
    /// # Errors
    /// The line, if `limit` lines wait. Then the line takes no number.
    pub fn try_send_secondary(&self, line: T, limit: usize) -> Result<u64, T> {
        self.queue().try_push(line, |pending| pending.all < limit, true)
    }

    /// Returns the number of dropped lines.
    pub fn dropped(&self) -> u64 {
        self.queue().dropped.load(Ordering::Relaxed)
    }

    /// Waits until every queued line is written, for at most `timeout`. Returns the number of unwritten lines.
    pub fn flush(&self, timeout: Duration) -> usize {
        self.queue().flush(timeout)
    }

    /// Returns the number of dropped lines that the log has reported.
    fn reported(&self) -> &AtomicU64 {
        &self.queue().reported
    }

    fn queue(&self) -> &Queue<T> {
        &self.0.0
    }
}

/// Returns whether the queue has room for a primary line.
fn has_primary_room(pending: LineCount) -> bool {
    pending.primary() < QUEUE_LENGTH
}

impl<T: Line> Drop for QueueOwner<T> {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests;
