//! The audit trail: one JSON record per line for each KMS request, in the format of CloudTrail.
//!
//! A request never waits for the audit trail. If the queue is full, the record is dropped and counted.
//!
//! Records of unauthenticated callers have a maximum rate and a maximum share of the queue, so that they do
//! not displace other records. The next written record contains the number of records that these limits
//! omitted.

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

/// The audit trail: the destination of audit records.
#[derive(Debug)]
pub struct Audit(Option<AuditSink>);

#[derive(Debug)]
struct AuditSink {
    lines: NonBlockingWriter<QueuedRecord>,
    unauthenticated: UnauthenticatedBudget,
    omissions: Arc<OmissionCounters>,
    /// The number of dropped records that the log last reported.
    reported: ReportedCount,
    /// The number of omitted records that the log last reported.
    reported_omissions: ReportedCount,
}

/// A record in the queue.
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
    /// Creates an audit trail that discards all records, for tests.
    pub const fn disabled() -> Self {
        Self(None)
    }

    /// Creates an audit trail that writes one line per record to `writer`.
    ///
    /// # Errors
    /// If the writer thread cannot be started.
    pub fn to_writer(writer: impl Write + Send + 'static) -> io::Result<Self> {
        Ok(Self(Some(AuditSink {
            lines: NonBlockingWriter::spawn("audit", writer)?,
            unauthenticated: UnauthenticatedLimits::default().budget(),
            omissions: Arc::default(),
            reported: ReportedCount::default(),
            reported_omissions: ReportedCount::default(),
        })))
    }

    /// Sets the limits on the records of unauthenticated callers.
    pub(crate) fn with_limits(mut self, limits: UnauthenticatedLimits) -> Self {
        if let Some(sink) = &mut self.0 {
            sink.unauthenticated = limits.budget();
        }
        self
    }

    /// Creates an audit trail that writes to the log endpoint. Without a log endpoint, the audit trail writes to
    /// standard output.
    ///
    /// # Errors
    /// If the writer thread cannot be started.
    pub fn to_endpoint_or_stdout(log_endpoint: Option<&Endpoint>) -> io::Result<Self> {
        match log_endpoint {
            // The forwarder of the log already reports an unreachable endpoint on stderr. This forwarder discards its
            // reports, so that stderr contains each report once.
            Some(endpoint) => Self::to_writer(LogForwarder::new(endpoint.clone(), drop)),
            None => Self::to_writer(io::stdout()),
        }
    }

    /// Returns whether the audit trail writes records.
    #[cfg(test)]
    pub(crate) fn is_written(&self) -> bool {
        self.0.is_some()
    }

    /// Queues a record. Drops the record if the queue is full, and omits the record if it exceeds the limits on
    /// unauthenticated callers. Never waits.
    pub(crate) fn submit(&self, record: RecordBuilder) {
        if let Some(sink) = &self.0 {
            sink.submit(record);
        }
    }

    /// Returns the number of dropped records.
    pub fn dropped(&self) -> u64 {
        self.0.as_ref().map_or(0, |sink| sink.lines.dropped())
    }

    /// Returns the numbers of records of unauthenticated callers that the limits omitted.
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

    /// Logs the numbers of dropped and omitted records, if they have grown. Must be called after each request.
    fn report(&self) {
        let dropped = self.lines.dropped();
        if self.reported.is_due(dropped) {
            tracing::warn!(dropped, "audit records dropped: full queue or failed output");
        }
        let omitted = self.omissions.counts().total();
        if self.reported_omissions.is_due(omitted) {
            tracing::warn!(
                omitted,
                "audit records of unauthenticated callers omitted: they exceed the limits in [audit]"
            );
        }
    }
}

/// The count that the log last reported.
#[derive(Debug, Default)]
struct ReportedCount(AtomicU64);

impl ReportedCount {
    /// Returns whether the log must report `count`. The log reports the first count that is not 0, and then each
    /// doubled count, so that the log stays short.
    fn is_due(&self, count: u64) -> bool {
        let (reported, order) = (self.0.load(Ordering::Relaxed), Ordering::Relaxed);
        count >= reported.saturating_mul(2).max(1)
            && self.0.compare_exchange(reported, count, order, order).is_ok()
    }
}

impl Drop for AuditSink {
    /// Writes the queued records before the process exits, within a timeout.
    fn drop(&mut self) {
        let unwritten = self.lines.flush(FLUSH_TIMEOUT);
        let dropped = self.lines.dropped();
        if unwritten > 0 {
            tracing::warn!(unwritten, dropped, "audit records lost at shutdown");
        } else if dropped > 0 {
            tracing::warn!(dropped, "audit records were dropped while the service ran");
        }
        let omitted = self.omissions.unreported();
        if omitted > 0 {
            tracing::warn!(
                omitted,
                "audit records of unauthenticated callers omitted since the last record"
            );
        }
    }
}
