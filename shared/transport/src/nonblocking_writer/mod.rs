//! Lines that a thread of their own writes, so that a slow reader never blocks the thread that hands a
//! line over: a pipe that is not read blocks its writer.
//!
//! The crate `tracing-appender` does the same for a log. It ends by printing to a stream that nothing may
//! read, which blocks or panics in the very case that matters here.

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
pub use log_writer::LogWriter;
pub use queue::QUEUE_LENGTH;
use queue::Queue;

/// A handle of the writing thread, which ends with the last handle.
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
    /// Starts a thread named `name` that writes to `writer`.
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

    /// Hands a line over, or drops and counts it. Never waits.
    pub fn send_or_drop(&self, line: T) {
        if self.try_send(line).is_err() {
            self.queue().count_dropped(1);
        }
    }

    /// Hands a line over if there is room for it.
    ///
    /// # Errors
    /// The line, if there is no room for it.
    fn try_send(&self, line: T) -> Result<(), T> {
        self.queue().try_push(line, |pending| pending.primary() < QUEUE_LENGTH, false)
    }

    /// Hands over a line that gives way to primary lines.
    ///
    /// It takes none of their [`QUEUE_LENGTH`] places, and is accepted only while fewer than `limit` lines
    /// of either kind wait. So a slow reader gets no secondary lines, and a flood of them costs the primary
    /// lines nothing.
    ///
    /// # Errors
    /// The line, if there is no room for it.
    pub fn try_send_secondary(&self, line: T, limit: usize) -> Result<(), T> {
        self.queue().try_push(line, |pending| pending.all < limit, true)
    }

    /// Returns the number of dropped lines.
    pub fn dropped(&self) -> u64 {
        self.queue().dropped.load(Ordering::Relaxed)
    }

    /// Waits until every line that was handed over is written, at most for `timeout`. Returns the number of
    /// lines that are not.
    pub fn flush(&self, timeout: Duration) -> usize {
        self.queue().flush(timeout)
    }

    /// Returns the number of dropped lines that a log has reported.
    fn reported(&self) -> &AtomicU64 {
        &self.queue().reported
    }

    fn queue(&self) -> &Queue<T> {
        &self.0.0
    }
}

impl<T: Line> Drop for QueueOwner<T> {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests;
