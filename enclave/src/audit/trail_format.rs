//! The lines of a trail: records, and digests over them.

use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Instant;

use attestation::time::UnixMillis;
use transport::nonblocking_writer::LineFormat;

use super::RecordBuilder;
use super::digest_sources::{DigestSchedule, DigestSources};
use super::digests::{DigestCounts, StreamDigests};
use super::record::{self, StreamPosition};
use super::unauthenticated_limits::OmissionCounters;

/// The format of the lines of a trail.
#[derive(Debug)]
pub(super) struct TrailFormat {
    /// The name of the stream.
    stream: String,
    event_time: EventTime,
    omissions: Arc<OmissionCounters>,
    digests: StreamDigests,
}

impl TrailFormat {
    pub(super) fn new(
        sources: DigestSources,
        schedule: DigestSchedule,
        omissions: Arc<OmissionCounters>,
    ) -> Self {
        let stream = sources.stream().to_string();
        let digests = StreamDigests::new(sources, schedule);
        Self { stream, event_time: EventTime::default(), omissions, digests }
    }

    /// Returns the numbers of digests.
    pub(super) fn digest_counts(&self) -> Arc<DigestCounts> {
        self.digests.counts()
    }
}

/// The text of the last time. The records of the same second use it again, because formatting a time is expensive.
#[derive(Debug, Default)]
struct EventTime {
    second: Option<u64>,
    text: String,
}

impl EventTime {
    /// Returns `time` in whole seconds.
    fn text(&mut self, time: UnixMillis) -> &str {
        let second = time.as_secs();
        if self.second != Some(second) {
            self.second = Some(second);
            self.text = UnixMillis::from_secs(second).to_string();
        }
        &self.text
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
        let event_time = self.event_time.text(record.time());
        let position = StreamPosition { stream: &self.stream, sequence, event_time };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_time_is_that_of_each_record_in_whole_seconds() {
        let mut event_time = EventTime::default();
        for (millis, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (999, "1970-01-01T00:00:00Z"),
            (1000, "1970-01-01T00:00:01Z"),
            (999, "1970-01-01T00:00:00Z"),
            (86_400_000, "1970-01-02T00:00:00Z"),
        ] {
            assert_eq!(event_time.text(UnixMillis::new(millis)), text);
        }
    }
}
