//! The audit trail: one JSON record a line for each request to KMS, granted or refused, in
//! CloudTrail's shape.
//!
//! A request never waits for it: what nobody takes fast enough is dropped and counted. Records of
//! unauthenticated callers are limited in rate and in their share of the queue, where they take none of
//! the places of other records. The next record that is written tells how many the limits left out.

mod ascii;
mod metrics;
mod record;
mod record_builder;
#[cfg(test)]
mod tests;
mod unauthenticated_limits;

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use transport::Endpoint;
use transport::limits::FLUSH_TIMEOUT;
use transport::nonblocking_writer::{Line, NonBlockingWriter};

pub(crate) use self::metrics::AuditMetrics;
pub(crate) use self::record_builder::Recipient;
pub use self::record_builder::RecordBuilder;
use self::unauthenticated_limits::{OmissionCounters, UnauthenticatedBudget};
pub(crate) use self::unauthenticated_limits::{OmittedCounts, UnauthenticatedLimits};
use crate::log_forwarder::LogForwarder;

/// Where records go.
#[derive(Debug)]
pub struct Audit(Option<AuditSink>);

#[derive(Debug)]
struct AuditSink {
    lines: NonBlockingWriter<QueuedRecord>,
    unauthenticated: UnauthenticatedBudget,
    omissions: Arc<OmissionCounters>,
    /// Of the records that were lost, how many the log has told of.
    reported: ReportedCount,
    /// Of the records that were left out, how many the log has told of.
    reported_omissions: ReportedCount,
}

/// A record on its way.
#[derive(Debug)]
struct QueuedRecord {
    record: RecordBuilder,
    omissions: Arc<OmissionCounters>,
}

impl Line for QueuedRecord {
    fn append_to(self, batch: &mut Vec<u8>) -> io::Result<()> {
        record::append_line(&self.record, self.omissions.take_unreported(), batch)
    }
}

impl Audit {
    /// Nowhere: for what plays a service within a test.
    pub const fn disabled() -> Self {
        Self(None)
    }

    /// To `writer`, one line each.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub fn to_writer(writer: impl Write + Send + 'static) -> io::Result<Self> {
        Ok(Self(Some(AuditSink {
            lines: NonBlockingWriter::spawn("audit", writer)?,
            unauthenticated: UnauthenticatedLimits::default().budget(),
            omissions: Arc::default(),
            reported: ReportedCount::default(),
            reported_omissions: ReportedCount::default(),
        })))
    }

    /// Returns the same, with `limits` on the records of unauthenticated callers.
    pub(crate) fn with_limits(mut self, limits: UnauthenticatedLimits) -> Self {
        if let Some(sink) = &mut self.0 {
            sink.unauthenticated = limits.budget();
        }
        self
    }

    /// Returns a trail that goes to `log_endpoint`, as the log does, or else to standard output.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub fn to_endpoint_or_stdout(log_endpoint: Option<&Endpoint>) -> io::Result<Self> {
        match log_endpoint {
            // The log's own channel says on stderr that nobody takes its lines.
            Some(endpoint) => Self::to_writer(LogForwarder::new(endpoint.clone(), drop)),
            None => Self::to_writer(io::stdout()),
        }
    }

    /// Whether records go anywhere.
    #[cfg(test)]
    pub(crate) fn is_written(&self) -> bool {
        self.0.is_some()
    }

    /// Hands a record over, or drops it: at once either way.
    pub(crate) fn submit(&self, record: RecordBuilder) {
        if let Some(sink) = &self.0 {
            sink.submit(record);
        }
    }

    /// Records that were dropped so far.
    pub fn dropped(&self) -> u64 {
        self.0.as_ref().map_or(0, |sink| sink.lines.dropped())
    }

    /// Records of unauthenticated callers that the limits left out so far.
    pub(crate) fn omitted(&self) -> OmittedCounts {
        self.0.as_ref().map(|sink| sink.omissions.counts()).unwrap_or_default()
    }
}

impl AuditSink {
    fn submit(&self, record: RecordBuilder) {
        if record.is_unauthenticated() {
            self.submit_unauthenticated(record);
        } else {
            self.lines.send_or_drop(self.queued(record));
        }
        self.report();
    }

    fn submit_unauthenticated(&self, record: RecordBuilder) {
        let UnauthenticatedBudget { rate, queue_length } = &self.unauthenticated;
        if !rate.try_acquire() {
            self.omissions.count_over_rate();
        } else if self.lines.try_send_secondary(self.queued(record), *queue_length).is_err() {
            self.omissions.count_over_queue();
        }
    }

    fn queued(&self, record: RecordBuilder) -> QueuedRecord {
        QueuedRecord { record, omissions: Arc::clone(&self.omissions) }
    }

    /// Logs that records were lost or left out. Whatever the cause, the next request tells.
    fn report(&self) {
        let dropped = self.lines.dropped();
        if self.reported.is_due(dropped) {
            tracing::warn!(dropped, "audit records are lost: nobody takes them fast enough");
        }
        let omitted = self.omissions.counts().total();
        if self.reported_omissions.is_due(omitted) {
            tracing::warn!(
                omitted,
                "audit records of unauthenticated callers are left out: they exceed the limits of \
                 [audit]"
            );
        }
    }
}

/// A count as the log last told it.
#[derive(Debug, Default)]
struct ReportedCount(AtomicU64);

impl ReportedCount {
    /// Returns whether the log has to tell of `count`: the first time at once, and then whenever it
    /// has doubled, lest the log takes the trail's place.
    fn is_due(&self, count: u64) -> bool {
        let (reported, order) = (self.0.load(Ordering::Relaxed), Ordering::Relaxed);
        count >= reported.saturating_mul(2).max(1)
            && self.0.compare_exchange(reported, count, order, order).is_ok()
    }
}

impl Drop for AuditSink {
    /// What is queued is written before the process ends, unless nobody takes it.
    fn drop(&mut self) {
        let unwritten = self.lines.flush(FLUSH_TIMEOUT);
        let dropped = self.lines.dropped();
        if unwritten > 0 || dropped > 0 {
            tracing::warn!(unwritten, dropped, "audit records were lost: nobody took them");
        }
        let omitted = self.omissions.unreported();
        if omitted > 0 {
            tracing::warn!(
                omitted,
                "audit records of unauthenticated callers were left out since the last record"
            );
        }
    }
}
