//! A writer of lines that never blocks its callers. A thread of its own writes the lines.
//!
//! A [`LineFormat`] turns items into lines on that thread.
//!
//! A pipe that is not read blocks its writer, so a slow reader would otherwise block the service. The crate
//! `tracing-appender` is similar, but prints to a standard stream when it ends. That blocks or panics if the
//! stream is not read.

mod line_count;
mod line_format;
mod log_writer;
mod queue;
mod writer_thread;

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use line_count::LineCount;
pub use line_format::LineFormat;
use line_format::Verbatim;
pub use log_writer::LogWriter;
pub use queue::QUEUE_LENGTH;
use queue::Queue;

/// A handle of the writing thread. The thread ends after the last handle is dropped.
#[derive(Debug)]
pub struct NonBlockingWriter<T>(Arc<QueueOwner<T>>);

/// The shared part of all handles. Its drop closes the queue.
#[derive(Debug)]
struct QueueOwner<T>(Arc<Queue<T>>);

impl<T> Clone for NonBlockingWriter<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl NonBlockingWriter<Vec<u8>> {
    /// Spawns a thread named `name` that writes lines to `writer`.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn spawn(name: &str, writer: impl Write + Send + 'static) -> io::Result<Self> {
        Self::spawn_with_format(name, Verbatim, writer)
    }
}

impl<T: Send + 'static> NonBlockingWriter<T> {
    /// Spawns a thread named `name` that writes items to `writer`, in the format `format`.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn spawn_with_format(
        name: &str,
        format: impl LineFormat<Item = T>,
        writer: impl Write + Send + 'static,
    ) -> io::Result<Self> {
        let queue = Arc::new(Queue::new());
        let lines = Arc::clone(&queue);
        let thread = thread::Builder::new().name(name.to_owned());
        thread.spawn(move || writer_thread::run(&lines, format, writer))?;
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

    /// Accepts no further lines, and waits until the thread has written all lines and has ended, for at most `timeout`.
    /// Returns the number of unwritten lines.
    pub fn finish(&self, timeout: Duration) -> usize {
        self.queue().finish(timeout)
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

impl<T> Drop for QueueOwner<T> {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod format_tests;
#[cfg(test)]
mod tests;
