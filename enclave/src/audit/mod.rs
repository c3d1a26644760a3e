//! The audit trail: one JSON record a line for each request to KMS, granted or refused, in
//! CloudTrail's shape.
//!
//! A request never waits for it. Records queue for a thread of their own, which alone writes; what
//! does not fit the queue, or cannot be written, is dropped and counted.

mod event;
mod json;
mod record;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use shared::transport::limits::{AUDIT_FLUSH_TIMEOUT, AUDIT_QUEUE_LENGTH};

pub use self::record::Record;

/// Where records go.
#[derive(Debug)]
pub struct Audit(Option<Trail>);

#[derive(Debug)]
struct Trail {
    /// `None` once the trail ends.
    queue: Option<SyncSender<Record>>,
    /// Says nothing; ends with the thread.
    ended: Mutex<Receiver<()>>,
    dropped: Arc<AtomicU64>,
}

impl Audit {
    /// Nowhere: for what plays a service within a test.
    pub const fn none() -> Self {
        Self(None)
    }

    /// To `writer`, one line each.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub fn to(writer: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, records) = sync_channel(AUDIT_QUEUE_LENGTH);
        let (end, ended) = sync_channel(0);
        let dropped = Arc::new(AtomicU64::new(0));
        let mut writing = Writing { writer, dropped: Arc::clone(&dropped), reported: 0 };
        thread::Builder::new().name("audit".to_owned()).spawn(move || {
            for record in records {
                writing.write(&record);
            }
            writing.report();
            drop(end);
        })?;
        Ok(Self(Some(Trail { queue: Some(queue), ended: Mutex::new(ended), dropped })))
    }

    /// Opens an entry, which is submitted when it goes out of scope, whatever came of it.
    pub(crate) fn open(&self, record: Record) -> Entry<'_> {
        Entry { audit: self, record }
    }

    /// Hands a record over, or drops it: at once either way.
    fn submit(&self, record: Record) {
        let Some(trail) = &self.0 else { return };
        let queued = trail.queue.as_ref().is_some_and(|queue| queue.try_send(record).is_ok());
        if !queued {
            trail.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Records that were dropped so far.
    pub fn dropped(&self) -> u64 {
        self.0.as_ref().map_or(0, |trail| trail.dropped.load(Ordering::Relaxed))
    }
}

/// A record in the making. Even where the request's task is dropped, because its client has gone,
/// the record is not lost.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    audit: &'a Audit,
    record: Record,
}

impl Deref for Entry<'_> {
    type Target = Record;

    fn deref(&self) -> &Record {
        &self.record
    }
}

impl DerefMut for Entry<'_> {
    fn deref_mut(&mut self) -> &mut Record {
        &mut self.record
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.audit.submit(self.record.take());
    }
}

impl Drop for Trail {
    /// What is queued is written before the process ends, unless nobody takes it.
    fn drop(&mut self) {
        drop(self.queue.take());
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Nothing is ever sent: it is the thread's end that is waited for.
        if ended.recv_timeout(AUDIT_FLUSH_TIMEOUT) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("the last audit records are not written: nobody takes them");
        }
    }
}

/// The thread's own half.
struct Writing<W> {
    writer: W,
    dropped: Arc<AtomicU64>,
    reported: u64,
}

impl<W: Write> Writing<W> {
    fn write(&mut self, record: &Record) {
        let line = json::line(record);
        // One write for the line, so that no two processes' records mix in a pipe.
        let written = line.and_then(|line| {
            self.writer.write_all(&line)?;
            self.writer.flush()
        });
        if written.is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        // The first one at once, and then seldom: the log must not take the audit trail's place.
        if self.dropped.load(Ordering::Relaxed) >= self.reported.saturating_mul(2).max(1) {
            self.report();
        }
    }

    fn report(&mut self) {
        let dropped = self.dropped.load(Ordering::Relaxed);
        if dropped > self.reported {
            tracing::warn!(dropped, "audit records were dropped: nobody takes them fast enough");
            self.reported = dropped;
        }
    }
}
