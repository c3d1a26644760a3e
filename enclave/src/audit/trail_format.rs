//! The lines of a trail: records, and digests over them.

use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Instant;

use attestation::AuditStream;
use transport::nonblocking_writer::LineFormat;

use super::RecordBuilder;
use super::digest_sources::{DigestSchedule, DigestSources};
use super::digests::{DigestCounts, StreamDigests};
use super::record::{self, StreamPosition};
use super::unauthenticated_limits::OmissionCounters;

/// The format of the lines of a trail.
#[derive(Debug)]
pub(super) struct TrailFormat {
    stream: AuditStream,
    omissions: Arc<OmissionCounters>,
    digests: StreamDigests,
}

impl TrailFormat {
    pub(super) fn new(
        sources: DigestSources,
        schedule: DigestSchedule,
        omissions: Arc<OmissionCounters>,
    ) -> Self {
        let stream = sources.stream();
        Self { stream, omissions, digests: StreamDigests::new(sources, schedule) }
    }

    /// Returns the numbers of digests.
    pub(super) fn digest_counts(&self) -> Arc<DigestCounts> {
        self.digests.counts()
    }
}

impl LineFormat for TrailFormat {
    type Item = RecordBuilder;

    fn append(
        &mut self,
        sequence: u64,
        record: RecordBuilder,
        batch: &mut Vec<u8>,
    ) -> io::Result<()> {
        let position = StreamPosition { stream: self.stream, sequence };
        record::append_line(&record, self.omissions.take_unreported(), position, batch)
    }

    fn written(&mut self, sequence: u64, line: &[u8]) {
        self.digests.cover(sequence, line);
    }

    fn lost(&mut self, sequences: RangeInclusive<u64>) {
        self.digests.add_gap(sequences);
    }

    fn own_line_due(&self) -> Option<Instant> {
        Some(self.digests.due())
    }

    /// Appends a digest. With a document, the line has about 7 KB, which exceeds `PIPE_BUF` (pipe(7)). If another
    /// process writes to the same pipe, its lines can therefore mix with this line. The log receiver of the relay
    /// accepts lines of up to 64 KiB.
    fn append_own(&mut self, is_end: bool, batch: &mut Vec<u8>) {
        self.digests.append_due(is_end, batch);
    }

    fn own_line_done(&mut self, is_written: bool) {
        self.digests.done(is_written);
    }
}
