//! The audit trail: one JSON record a line for each request to KMS, granted or refused, in
//! CloudTrail's shape.
//!
//! A request never waits for it: what nobody takes fast enough is dropped and counted. Of the queue,
//! strangers' records have half at the most, so that nobody without a credential can push the
//! records of those who have one out of it.

mod event;
mod json;
mod record;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use shared::lines::{Line, Lines, QUEUE_LENGTH};
use shared::transport::limits::FLUSH_TIMEOUT;

pub use self::record::Record;
pub(crate) use self::record::{Ending, Recipient};
use crate::config::Server;
use crate::log_channel::LogChannel;

/// Records of strangers that wait at a time.
const STRANGERS_QUEUE_LENGTH: usize = QUEUE_LENGTH / 2;

/// Where records go.
#[derive(Debug)]
pub struct Audit(Option<Trail>);

#[derive(Debug)]
struct Trail {
    lines: Lines<Waiting>,
    strangers: Arc<AtomicUsize>,
    /// Of the records that were lost, how many the log has told of.
    reported: AtomicU64,
}

/// A record on its way, and its place among those of strangers if it has one.
#[derive(Debug)]
struct Waiting {
    record: Record,
    _place: Option<Place>,
}

/// One of the places that strangers' records have.
#[derive(Debug)]
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(strangers: &Arc<AtomicUsize>) -> Option<Self> {
        let place = Self(Arc::clone(strangers));
        let before = strangers.fetch_add(1, Ordering::Relaxed);
        (before < STRANGERS_QUEUE_LENGTH).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Line for Waiting {
    fn append_to(self, batch: &mut Vec<u8>) -> io::Result<()> {
        event::append(&self.record, batch)
    }
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
        let lines = Lines::to("audit", writer)?;
        Ok(Self(Some(Trail { lines, strangers: Arc::default(), reported: AtomicU64::new(0) })))
    }

    /// To where `server` has its log go, else to standard output.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub fn of(server: &Server) -> io::Result<Self> {
        match &server.log_to {
            // The log's own channel says on stderr that nobody takes its lines.
            Some(endpoint) => Self::to(LogChannel::new(endpoint.clone(), drop)),
            None => Self::to(io::stdout()),
        }
    }

    /// Whether records go anywhere.
    #[cfg(test)]
    pub(crate) fn is_written(&self) -> bool {
        self.0.is_some()
    }

    /// Opens an entry, which is submitted when it goes out of scope, whatever came of it.
    pub(crate) fn open(&self, record: Record) -> Entry<'_> {
        Entry { audit: self, record }
    }

    /// Records that were dropped so far.
    pub fn dropped(&self) -> u64 {
        self.0.as_ref().map_or(0, |trail| trail.lines.dropped())
    }
}

impl Trail {
    /// Hands a record over, or drops it: at once either way.
    fn submit(&self, record: Record) {
        let place = record.is_of_stranger().then(|| Place::take(&self.strangers));
        match place {
            None => self.lines.submit(Waiting { record, _place: None }),
            Some(Some(place)) => self.lines.submit(Waiting { record, _place: Some(place) }),
            Some(None) => self.lines.drop_one(),
        }
        self.report();
    }

    /// Says that records were lost: the first time at once, and then whenever they have doubled, lest
    /// the log takes the trail's place. Whatever the cause, the next request tells.
    fn report(&self) {
        let (dropped, reported) = (self.lines.dropped(), self.reported.load(Ordering::Relaxed));
        let order = Ordering::Relaxed;
        if dropped >= reported.saturating_mul(2).max(1)
            && self.reported.compare_exchange(reported, dropped, order, order).is_ok()
        {
            tracing::warn!(dropped, "audit records are lost: nobody takes them fast enough");
        }
    }
}

impl Drop for Trail {
    /// What is queued is written before the process ends, unless nobody takes it.
    fn drop(&mut self) {
        let unwritten = self.lines.flush(FLUSH_TIMEOUT);
        let dropped = self.lines.dropped();
        if unwritten > 0 || dropped > 0 {
            tracing::warn!(unwritten, dropped, "audit records were lost: nobody took them");
        }
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
        if let Some(trail) = &self.audit.0 {
            let blank = self.record.blank();
            trail.submit(mem::replace(&mut self.record, blank));
        }
    }
}
