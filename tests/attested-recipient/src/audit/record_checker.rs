//! The second pass over a trail: the records of one stream against its digests.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use attestation::crypto::{SHA_256_LENGTH, Sha256};

use super::digest_chain::{DigestChain, DigestRange};
use super::finding::{Finding, Records};
use super::line_reader::Location;
use super::number_set::{NumberSet, count};
use super::trail_line::RecordLine;
use crate::printable::printable;

/// Maximum number of ranges whose records are in memory. A record that stands further behind is only named.
const MAX_OPEN_RANGES: usize = 16;

/// Maximum number of characters of a member that a finding contains. A request ID has 36.
const MAX_PRINTED_CHARS: usize = 100;

/// The check of the records of one stream.
pub(super) struct RecordChecker {
    chain: DigestChain,
    /// The ranges with records but without a verdict, by their index in the chain.
    open: BTreeMap<usize, OpenRange>,
    verdicts: Vec<Option<Verdict>>,
    /// The highest number of a record before the current line, or of a digest before the current line.
    newest: u64,
    tail: NumberSet,
    tail_times: Option<(String, String)>,
    records: u64,
    verified: u64,
    /// The numbers of records that a receipt names.
    watched: BTreeSet<u64>,
    found: HashMap<u64, FoundRecord>,
    findings: Vec<Finding>,
}

/// A record that a receipt names.
#[derive(Clone, Debug)]
pub(super) struct FoundRecord {
    pub(super) at: Location,
    pub(super) request_id: String,
}

/// The records of a range so far.
struct OpenRange {
    /// The numbers of the records, and the gaps.
    seen: NumberSet,
    lines: Vec<(u64, [u8; SHA_256_LENGTH], Location)>,
    /// The number of records that are still missing.
    missing: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Verified,
    /// All records are present, but at least one was changed.
    Altered,
    /// At least one record is missing.
    Incomplete,
}

/// The records after the last digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The number of records.
    pub count: u64,
    /// The numbers of the first and the last record.
    pub records: Records,
    /// The numbers between the last digest and the last record that are not in the trail.
    pub absent: Vec<Records>,
    /// The `eventTime` of the first and the last line.
    pub times: (String, String),
}

/// The result of the check.
pub(super) struct CheckedRecords {
    pub(super) chain: DigestChain,
    pub(super) records: u64,
    pub(super) verified: u64,
    pub(super) tail: Option<Tail>,
    pub(super) findings: Vec<Finding>,
    pub(super) found: HashMap<u64, FoundRecord>,
    verdicts: Vec<Option<Verdict>>,
}

impl RecordChecker {
    /// Creates a check. `watched` are the numbers of records that receipts name.
    pub(super) fn new(chain: DigestChain, watched: BTreeSet<u64>) -> Self {
        let verdicts = vec![None; chain.ranges.len()];
        Self {
            chain,
            open: BTreeMap::new(),
            verdicts,
            newest: 0,
            tail: NumberSet::default(),
            tail_times: None,
            records: 0,
            verified: 0,
            watched,
            found: HashMap::new(),
            findings: Vec::new(),
        }
    }

    /// Returns the places of the verified digests.
    pub(super) fn digest_places(&self) -> impl Iterator<Item = Location> {
        self.chain.places.keys().copied()
    }

    /// Records that a digest stands at `at`. No record that it covers may follow.
    pub(super) fn pass_digest(&mut self, at: Location) {
        let covered = self.chain.places.get(&at).copied();
        self.newest = self.newest.max(covered.unwrap_or(0));
    }

    /// Checks a record. `line` is the line as the enclave wrote it.
    pub(super) fn add(&mut self, at: Location, line: &[u8], record: &RecordLine<'_>) {
        let sequence = record.sequence;
        self.records = self.records.saturating_add(1);
        if self.watched.contains(&sequence) {
            let found =
                FoundRecord { at, request_id: printable(record.request_id, MAX_PRINTED_CHARS) };
            self.found.entry(sequence).or_insert(found);
        }
        let is_new = match self.chain.ranges.partition_point(|range| range.last < sequence) {
            index if index < self.chain.ranges.len() => self.add_to_range(index, at, line, record),
            _ => self.add_to_tail(record),
        };
        let (records, request_id) =
            (single(sequence), printable(record.request_id, MAX_PRINTED_CHARS));
        if !is_new {
            self.report(Finding::Repeated { records, at, request_id });
        } else if sequence <= self.newest {
            self.report(Finding::Moved { records, at, request_id });
        }
        self.newest = self.newest.max(sequence);
    }

    /// Adds a record to a range. Returns false if the range already has a record with this number.
    fn add_to_range(
        &mut self,
        index: usize,
        at: Location,
        line: &[u8],
        record: &RecordLine<'_>,
    ) -> bool {
        let Some(range) = self.chain.ranges.get(index) else { return true };
        let sequence = record.sequence;
        if range.gaps.iter().any(|(first, last)| (*first..=*last).contains(&sequence)) {
            let request_id = printable(record.request_id, MAX_PRINTED_CHARS);
            self.report(Finding::PresentInGap { records: single(sequence), at, request_id });
            return true;
        }
        match self.verdicts.get(index).copied().flatten() {
            None => {}
            // It cannot be told whether an incomplete range had this record, so it is only reordered.
            Some(verdict) => return verdict == Verdict::Incomplete,
        }
        let open = self.open.entry(index).or_insert_with(|| OpenRange::new(range));
        if !open.seen.insert(sequence) {
            return false;
        }
        open.lines.push((sequence, Sha256::digest(line), at));
        open.missing = open.missing.saturating_sub(1);
        if open.missing == 0 {
            self.judge(index);
        } else if self.open.len() > MAX_OPEN_RANGES
            && let Some((oldest, _)) = self.open.first_key_value()
        {
            self.judge(*oldest);
        }
        true
    }

    fn add_to_tail(&mut self, record: &RecordLine<'_>) -> bool {
        if self.chain.has_ended {
            self.report(Finding::AfterEnd(single(record.sequence)));
            return true;
        }
        let time = || printable(record.event_time, MAX_PRINTED_CHARS);
        match &mut self.tail_times {
            Some((_, last)) => *last = time(),
            None => self.tail_times = Some((time(), time())),
        }
        self.tail.insert(record.sequence)
    }

    /// Gives the verdict on a range, and frees its records.
    fn judge(&mut self, index: usize) {
        let Some(range) = self.chain.ranges.get(index).cloned() else { return };
        let open = self.open.remove(&index).unwrap_or_else(|| OpenRange::new(&range));
        let absent = open.seen.absent(range.first..=range.last);
        let verdict = match absent.is_empty() {
            true => self.judge_complete(&range, open),
            false => {
                self.report_absent(&range, &open, &absent);
                Verdict::Incomplete
            }
        };
        if let Some(place) = self.verdicts.get_mut(index) {
            *place = Some(verdict);
        }
    }

    fn judge_complete(&mut self, range: &DigestRange, mut open: OpenRange) -> Verdict {
        open.lines.sort_unstable_by_key(|(sequence, ..)| *sequence);
        let mut chain = range.start;
        for (sequence, digest, _) in &open.lines {
            chain.append_digest(*sequence, digest);
        }
        if chain.head() == range.head {
            let count = u64::try_from(open.lines.len()).unwrap_or(u64::MAX);
            self.verified = self.verified.saturating_add(count);
            return Verdict::Verified;
        }
        let ends = open.lines.first().zip(open.lines.last());
        let records = ends.map_or(Records { first: range.first, last: range.last }, |ends| {
            Records { first: ends.0.0, last: ends.1.0 }
        });
        let between = ends.map(|((_, _, first), (_, _, last))| (*first, *last));
        self.report(Finding::Altered { records, between });
        Verdict::Altered
    }

    fn report_absent(&mut self, range: &DigestRange, open: &OpenRange, absent: &[(u64, u64)]) {
        for (first, last) in absent.iter().copied() {
            // The gaps before `from` are unknown.
            if first < range.from {
                let last = last.min(range.from.saturating_sub(1));
                self.report(Finding::MissingWithDigest(Records { first, last }));
            }
            let first = first.max(range.from);
            if first <= last {
                self.report(Finding::Missing(Records { first, last }));
            }
        }
        let numbers = || open.lines.iter().map(|(sequence, ..)| *sequence);
        if let Some((first, last)) = numbers().min().zip(numbers().max()) {
            self.report(Finding::Unverifiable(Records { first, last }));
        }
    }

    fn report(&mut self, finding: Finding) {
        // Other findings may stand between those of consecutive records.
        let recent = self.findings.iter_mut().rev().take(4);
        if !recent.into_iter().any(|recent| recent.extend(&finding)) {
            self.findings.push(finding);
        }
    }

    /// Ends the check.
    pub(super) fn finish(mut self) -> CheckedRecords {
        for index in 0..self.verdicts.len() {
            if self.verdicts.get(index).is_some_and(Option::is_none) {
                self.judge(index);
            }
        }
        let gaps: Vec<_> =
            self.chain.ranges.iter().flat_map(|range| range.gaps.iter().copied()).collect();
        for (first, last) in gaps {
            self.report(Finding::Dropped(Records { first, last }));
        }
        CheckedRecords {
            tail: self.tail(),
            chain: self.chain,
            records: self.records,
            verified: self.verified,
            findings: self.findings,
            found: self.found,
            verdicts: self.verdicts,
        }
    }

    fn tail(&self) -> Option<Tail> {
        let (first, last) = self.tail.bounds()?;
        let times = self.tail_times.clone()?;
        let absent = self.tail.absent(self.chain.last().saturating_add(1)..=last);
        let absent = absent.into_iter().map(|(first, last)| Records { first, last }).collect();
        Some(Tail { count: self.tail.count(), records: Records { first, last }, absent, times })
    }
}

impl CheckedRecords {
    /// Returns whether a digest proves the record with this number.
    pub(super) fn is_proved(&self, sequence: u64) -> bool {
        let index = self.chain.ranges.partition_point(|range| range.last < sequence);
        let is_in_gap = self.chain.ranges.get(index).is_some_and(|range| {
            range.gaps.iter().any(|(first, last)| (*first..=*last).contains(&sequence))
        });
        !is_in_gap && self.verdicts.get(index).copied().flatten() == Some(Verdict::Verified)
    }
}

impl OpenRange {
    fn new(range: &DigestRange) -> Self {
        let gaps = range.gaps.iter().map(|gap| count(*gap)).fold(0, u64::saturating_add);
        let missing = count((range.first, range.last)).saturating_sub(gaps);
        Self { seen: NumberSet::of_ranges(&range.gaps), lines: Vec::new(), missing }
    }
}

fn single(sequence: u64) -> Records {
    Records { first: sequence, last: sequence }
}

#[cfg(test)]
mod tests {
    use attestation::AuditStream;

    use super::*;

    #[test]
    fn findings_and_tail_contain_no_control_character() {
        let mut checker = RecordChecker::new(DigestChain::default(), BTreeSet::new());
        let stream: AuditStream = "0123456789abcdef".parse().unwrap();
        let (request_id, event_time) = ("a\u{9b}\u{202e}", "\u{9b}b");
        let record = RecordLine { stream, sequence: 1, request_id, event_time };
        let at = Location { file: 0, line: 1 };
        checker.add(at, b"", &record);
        checker.add(at, b"", &record);
        let checked = checker.finish();
        assert!(checked.findings[0].to_string().ends_with(r"(requestID a\u{9b}\u{202e})"));
        let tail = checked.tail.unwrap().to_string();
        assert!(tail.ends_with(r"from \u{9b}b to \u{9b}b"), "{tail}");
    }
}
