//! The started audit trail: it numbers records and queues them for the writer thread.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use transport::limits::FLUSH_TIMEOUT;
use transport::nonblocking_writer::NonBlockingWriter;

use super::RecordBuilder;
use super::digest_sources::{DigestSchedule, DigestSources};
use super::digests::DigestCounts;
use super::trail_format::TrailFormat;
use super::unauthenticated_limits::{
    OmissionCounters, OmittedCounts, UnauthenticatedBudget, UnauthenticatedLimits,
};

/// A started audit trail.
#[derive(Debug)]
pub(crate) struct AuditTrail(Destination);

#[derive(Debug)]
enum Destination {
    /// All records are discarded. The number is that of the last record.
    Disabled(AtomicU64),
    Written(AuditSink),
}

#[derive(Debug)]
struct AuditSink {
    lines: NonBlockingWriter<RecordBuilder>,
    unauthenticated: UnauthenticatedBudget,
    omissions: Arc<OmissionCounters>,
    digests: Arc<DigestCounts>,
    /// The number of dropped records that the log last reported.
    reported: ReportedCount,
    /// The number of omitted records that the log last reported.
    reported_omissions: ReportedCount,
}

impl AuditTrail {
    /// Returns a trail that numbers records and discards them.
    pub(super) const fn disabled() -> Self {
        Self(Destination::Disabled(AtomicU64::new(0)))
    }

    /// Starts a trail that writes one line per record and digest to `writer`.
    ///
    /// # Errors
    /// If the writer thread cannot be started.
    pub(super) fn start(
        writer: impl Write + Send + 'static,
        sources: DigestSources,
        schedule: DigestSchedule,
        limits: UnauthenticatedLimits,
    ) -> io::Result<Self> {
        let omissions = Arc::<OmissionCounters>::default();
        let format = TrailFormat::new(sources, schedule, Arc::clone(&omissions));
        let digests = format.digest_counts();
        Ok(Self(Destination::Written(AuditSink {
            lines: NonBlockingWriter::spawn_with_format("audit", format, writer)?,
            unauthenticated: limits.budget(),
            omissions,
            digests,
            reported: ReportedCount::default(),
            reported_omissions: ReportedCount::default(),
        })))
    }

    /// Queues the record of a successful request, and returns its number. Drops the record if the queue is full. A
    /// dropped record has a number too. Never waits.
    pub(crate) fn submit_success(&self, mut record: RecordBuilder) -> u64 {
        record.set_success();
        match &self.0 {
            Destination::Disabled(last) => next_number(last),
            Destination::Written(sink) => sink.submit(record),
        }
    }

    /// Queues the record of a request that was not successful. Drops the record if the queue is full, and omits the
    /// record if it exceeds the limits on unauthenticated callers. An omitted record has no number. Never waits.
    pub(crate) fn submit(&self, record: RecordBuilder) {
        match &self.0 {
            Destination::Disabled(last) => {
                next_number(last);
            }
            Destination::Written(sink) if record.is_unauthenticated() => {
                sink.submit_unauthenticated(record);
            }
            Destination::Written(sink) => {
                sink.submit(record);
            }
        }
    }

    /// Returns the number of dropped records.
    pub(crate) fn dropped(&self) -> u64 {
        self.sink().map_or(0, |sink| sink.lines.dropped())
    }

    /// Returns the numbers of records of unauthenticated callers that the limits omitted.
    pub(crate) fn omitted(&self) -> OmittedCounts {
        self.sink().map(|sink| sink.omissions.counts()).unwrap_or_default()
    }

    /// Returns the numbers of digests that were written and that failed.
    pub(crate) fn digests(&self) -> (u64, u64) {
        self.sink().map_or((0, 0), |sink| {
            let DigestCounts { written, failed } = &*sink.digests;
            (written.load(Ordering::Relaxed), failed.load(Ordering::Relaxed))
        })
    }

    fn sink(&self) -> Option<&AuditSink> {
        match &self.0 {
            Destination::Disabled(_) => None,
            Destination::Written(sink) => Some(sink),
        }
    }
}

impl AuditSink {
    fn submit(&self, record: RecordBuilder) -> u64 {
        let sequence = self.lines.send_or_drop(record);
        self.report();
        sequence
    }

    fn submit_unauthenticated(&self, record: RecordBuilder) {
        let UnauthenticatedBudget { rate, queue_length } = &self.unauthenticated;
        if !rate.try_acquire() {
            self.omissions.count_over_rate();
        } else if self.lines.try_send_secondary(record, *queue_length).is_err() {
            self.omissions.count_over_queue();
        }
        self.report();
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

/// Returns the number of the next record.
fn next_number(last: &AtomicU64) -> u64 {
    last.fetch_add(1, Ordering::Relaxed).saturating_add(1)
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
    /// Writes the queued records and the last digest before the process exits, within a timeout.
    fn drop(&mut self) {
        let unwritten = self.lines.finish(FLUSH_TIMEOUT);
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
