//! One change of a genuine trail per test, and its findings.

use std::slice;

use ::enclave::clock::{Clock, SystemClock};
use attestation::AuditStream;
use attestation::time::UnixMillis;
use attested_recipient::audit::verify_trail;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::enclave::{Enclave, Fleet, assert_findings, report_of};

/// The lines of two enclaves, mixed. Each enclave has three digests: over the records 1 to 5, 6 to 10 and 11 to 15.
struct Trail {
    fleet: Fleet,
    lines: Vec<Vec<u8>>,
    stream: AuditStream,
    other: AuditStream,
}

/// The index of record 1 of `stream` in the lines of [`Trail`]. The lines of the other enclave have odd indices.
const RECORDS_PER_DIGEST: usize = 5;

impl Trail {
    fn new() -> Self {
        let fleet = Fleet::new();
        let (mut enclave, mut other) = (fleet.start_enclave(), fleet.start_enclave());
        let mut lines = Vec::new();
        for _ in 0..3 {
            let minutes =
                [&mut enclave, &mut other].map(|enclave| enclave.minute(RECORDS_PER_DIGEST));
            let [first, second] = minutes;
            lines.extend(first.into_iter().zip(second).flat_map(|(first, second)| [first, second]));
        }
        Self { fleet, lines, stream: enclave.stream(), other: other.stream() }
    }

    /// Returns the index of the line of record `sequence` of `stream`.
    fn record(sequence: usize) -> usize {
        2 * (sequence - 1 + (sequence - 1) / RECORDS_PER_DIGEST)
    }

    /// Returns the index of the line of a digest of `stream`.
    fn digest(number: usize) -> usize {
        2 * (number * (RECORDS_PER_DIGEST + 1) - 1)
    }

    #[track_caller]
    fn assert_findings(&self, expected: &[&str]) {
        assert_findings(&self.fleet.verify(&self.lines), self.stream, expected);
    }
}

/// A receipt key that was stolen from a withdrawn image can sign further digests.
#[test]
fn rejects_digests_after_the_end_of_their_set() {
    let trail = Trail::new();
    let file = trail.fleet.file("trail", &trail.lines);
    let verify = |not_after| {
        let expectations = trail.fleet.expectations_until(not_after);
        verify_trail(slice::from_ref(&file), &expectations, &[], None).unwrap()
    };
    let now = SystemClock.now();
    assert!(verify(now).is_verified());
    let report = verify(now.minus_secs(3600));
    assert!(!report.is_verified());
    for stream in [trail.stream, trail.other] {
        let found = report_of(&report, stream).findings.iter().map(ToString::to_string);
        let [first, second, third, last] = &found.collect::<Vec<_>>()[..] else {
            panic!("{report}")
        };
        for digest in [first, second, third] {
            assert!(digest.contains("the set of measurements ended at"), "{report}");
        }
        assert!(last.starts_with("no verified digest"), "{report}");
    }
}

fn replaced(line: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = std::str::from_utf8(line).unwrap();
    assert!(text.contains(from), "{text}");
    text.replacen(from, to, 1).into_bytes()
}

#[test]
fn genuine_trail_has_no_finding() {
    let trail = Trail::new();
    let report = trail.fleet.verify(&trail.lines);
    trail.assert_findings(&[]);
    assert!(report.is_verified());
    for stream in [trail.stream, trail.other] {
        let report = report_of(&report, stream);
        assert_eq!((report.records, report.verified, report.digests), (15, 15, 3));
        assert_eq!((report.tail.as_ref(), report.has_ended), (None, false));
        assert!(report.identity.is_some());
    }
}

#[test]
fn relay_members_and_other_lines_change_nothing() {
    let mut trail = Trail::new();
    for (line, cid) in trail.lines.iter_mut().zip([16, 17].into_iter().cycle()) {
        let members = line.strip_suffix(b"}\n").unwrap();
        *line = [members, format!(",\"cid\":{cid}}}\n").as_bytes()].concat();
    }
    trail.lines.insert(7, b"{\"level\":\"INFO\",\"message\":\"stream\",\"cid\":16}\n".to_vec());
    trail.lines.insert(3, b"\n".to_vec());
    trail.assert_findings(&[]);
    assert_eq!(trail.fleet.verify(&trail.lines).other_lines, 2);
}

#[test]
fn finds_altered_record() {
    let mut trail = Trail::new();
    let index = Trail::record(7);
    trail.lines[index] = replaced(&trail.lines[index], "127.0.0.1", "127.0.0.2");
    trail.assert_findings(&[
        "altered: at least one of the records 6 to 10, between line 13 and line 21",
    ]);
    let report = trail.fleet.verify(&trail.lines);
    assert_eq!(report_of(&report, trail.stream).verified, 10);
}

#[test]
fn names_the_altered_record_if_its_digest_covers_no_other() {
    let fleet = Fleet::new();
    let mut enclave = fleet.start_enclave();
    let mut lines = [enclave.minute(1), enclave.minute(1)].concat();
    lines[2] = replaced(&lines[2], "127.0.0.1", "127.0.0.2");
    assert_findings(&fleet.verify(&lines), enclave.stream(), &["altered: record 2 at line 3"]);
}

#[test]
fn finds_deleted_records() {
    let mut trail = Trail::new();
    trail.lines.remove(Trail::record(8));
    trail.lines.remove(Trail::record(7));
    trail.assert_findings(&[
        "missing: records 7 to 8",
        "not verifiable: the present records 6 to 10",
    ]);
}

#[test]
fn finds_repeated_record() {
    let mut trail = Trail::new();
    let line = trail.lines[Trail::record(7)].clone();
    // Once before its digest and once after it.
    trail.lines.insert(Trail::record(8), line.clone());
    trail.lines.push(line);
    trail.assert_findings(&["repeated: record 7 at line 17", "repeated: record 7 at line 38"]);
}

#[test]
fn finds_two_records_with_one_number() {
    let mut trail = Trail::new();
    let index = Trail::record(7);
    let forged = replaced(&trail.lines[index], "127.0.0.1", "127.0.0.2");
    trail.lines.insert(index, forged);
    trail.assert_findings(&["repeated: record 7", "altered: at least one of the records 6 to 10"]);
}

#[test]
fn finds_swapped_records() {
    let mut trail = Trail::new();
    trail.lines.swap(Trail::record(7), Trail::record(9));
    trail.assert_findings(&["reordered: record 8 at line 17", "reordered: record 7 at line 19"]);
}

#[test]
fn finds_record_behind_its_digest() {
    let mut trail = Trail::new();
    trail.lines.swap(Trail::record(5), Trail::digest(1));
    trail.assert_findings(&["reordered: record 5 at line 11"]);
}

#[test]
fn finds_record_moved_far_behind() {
    let fleet = Fleet::new();
    let mut enclave = fleet.start_enclave();
    let mut lines: Vec<_> = (0..30).flat_map(|_| enclave.minute(2)).collect();
    let moved = lines.remove(0);
    lines.push(moved);
    assert_findings(&fleet.verify(&lines), enclave.stream(), &["reordered: record 1 at line 90"]);
}

#[test]
fn incomplete_ranges_do_not_stay_in_memory() {
    let fleet = Fleet::new();
    let mut enclave = fleet.start_enclave();
    let minutes: Vec<_> = (0..30).map(|_| enclave.minute(2)).collect();
    // The first record of each minute is missing, and record 1 is at the end.
    let mut lines: Vec<_> = minutes.iter().flat_map(|minute| minute[1..].to_vec()).collect();
    lines.push(minutes[0][0].clone());
    let report = fleet.verify(&lines).to_string();
    for finding in ["missing: record 1\n", "missing: record 59\n", "reordered: record 1 at line 61"]
    {
        assert!(report.contains(finding), "{finding}: {report}");
    }
    assert_eq!(report.matches("missing: ").count(), 30, "{report}");
}

#[test]
fn finds_deleted_digest() {
    let mut trail = Trail::new();
    trail.lines.remove(Trail::digest(2));
    trail.assert_findings(&["missing digests over records 6 to 10, between"]);
    // The next digest proves the records.
    let report = trail.fleet.verify(&trail.lines);
    assert_eq!(report_of(&report, trail.stream).verified, 15);
}

#[test]
fn finds_deleted_digest_with_its_records() {
    let mut trail = Trail::new();
    for sequence in (6..=10).rev() {
        let digest = (sequence == 10).then(|| Trail::digest(2));
        digest.into_iter().chain([Trail::record(sequence)]).for_each(|index| {
            trail.lines.remove(index);
        });
    }
    trail.assert_findings(&[
        "missing digests over records 6 to 10, between",
        "missing: records 6 to 10; the enclave may have dropped them",
        "not verifiable: the present records 11 to 15",
    ]);
}

#[test]
fn finds_deleted_first_digest() {
    let mut trail = Trail::new();
    trail.lines.remove(Trail::digest(1));
    // Only the first digest has the document.
    trail.assert_findings(&["no accepted attestation document"]);
}

#[test]
fn finds_swapped_digests() {
    let mut trail = Trail::new();
    trail.lines.swap(Trail::digest(2), Trail::digest(3));
    trail.assert_findings(&["reordered: the digest at line 23", "reordered: records 11 to 15"]);
}

#[test]
fn finds_altered_digest() {
    let mut trail = Trail::new();
    let index = Trail::digest(2);
    let line: serde_json::Value = serde_json::from_slice(&trail.lines[index]).unwrap();
    let text = line["auditDigest"].as_str().unwrap();
    let mut bytes = STANDARD.decode(text).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    trail.lines[index] = replaced(&trail.lines[index], text, &STANDARD.encode(&bytes));
    trail.assert_findings(&[
        "altered or forged digest at line 23",
        "missing digests over records 6 to 10",
    ]);
    trail.lines[index] = replaced(&trail.lines[index], "0oR", "0oS");
    trail.assert_findings(&["altered digest at line 23", "missing digests over records 6 to 10"]);
}

#[test]
fn digest_of_another_enclave_proves_nothing() {
    let mut trail = Trail::new();
    let (own, other) = (trail.stream.to_string(), trail.other.to_string());
    let index = Trail::digest(2);
    trail.lines[index] = replaced(&trail.lines[index], &own, &other);
    trail.assert_findings(&["altered digest at line 23: its line names another stream"]);
}

#[test]
fn finds_relabelled_record() {
    let mut trail = Trail::new();
    let (own, other) = (trail.stream.to_string(), trail.other.to_string());
    let index = Trail::record(7);
    trail.lines[index] = replaced(&trail.lines[index], &own, &other);
    let report = trail.fleet.verify(&trail.lines);
    let texts = |stream| -> Vec<_> {
        report_of(&report, stream).findings.iter().map(ToString::to_string).collect()
    };
    assert!(texts(trail.stream)[0].starts_with("missing: record 7"), "{report}");
    // The number occurs twice in the other stream, and the first line is the forged one.
    assert!(texts(trail.other)[0].starts_with("repeated: record 7"), "{report}");
    assert!(texts(trail.other)[1].starts_with("altered: at least one"), "{report}");
}

#[test]
fn finds_relabelled_stream() {
    let mut trail = Trail::new();
    let (own, unknown) = (trail.stream.to_string(), "0".repeat(16));
    for line in &mut trail.lines {
        let text = String::from_utf8(line.clone()).unwrap();
        if !text.contains("auditDigest") {
            *line = text.replace(&own, &unknown).into_bytes();
        }
    }
    let report = trail.fleet.verify(&trail.lines);
    let text = |stream| report_of(&report, stream).findings[0].to_string();
    assert!(text(trail.stream).starts_with("missing: records 1 to 15"), "{report}");
    assert!(text(unknown.parse().unwrap()).starts_with("no verified digest"), "{report}");
    assert!(!report.is_verified());
}

#[test]
fn trail_that_is_cut_in_the_middle_has_an_uncovered_tail() {
    let mut trail = Trail::new();
    trail.lines.truncate(Trail::record(14));
    trail.assert_findings(&[]);
    let report = trail.fleet.verify(&trail.lines);
    let tail = report_of(&report, trail.stream).tail.clone().unwrap();
    assert_eq!((tail.count, tail.records.first, tail.records.last), (3, 11, 13));
    assert!(report.to_string().contains("not covered by a digest: records 11 to 13 (3), from 20"));
}

#[test]
fn trail_that_is_cut_at_a_digest_is_found_only_with_until() {
    let mut trail = Trail::new();
    trail.lines.truncate(Trail::digest(2) + 2);
    trail.assert_findings(&[]);
    let until = |time| trail.fleet.verify_with(&trail.lines, &[], Some(time)).is_verified();
    assert!(until(UnixMillis::new(0)));
    assert!(!until(UnixMillis::new(u64::MAX / 2)));
}

#[test]
fn stream_that_ended_needs_no_later_digest() {
    let fleet = Fleet::new();
    let mut enclave = fleet.start_enclave();
    let mut lines = enclave.minute(2);
    let stream = enclave.stream();
    let Enclave { mut trail, .. } = enclave;
    let (record, _) = trail.record(UnixMillis::new(0));
    lines.push(record.clone());
    lines.push(trail.end());
    let late = Some(UnixMillis::new(u64::MAX / 2));
    let report = fleet.verify_with(&lines, &[], late);
    assert!(report.is_verified() && report_of(&report, stream).has_ended, "{report}");
    lines.push(replaced(&record, "\"sequence\":3", "\"sequence\":4"));
    let findings = ["forged: record 4, after the end of the stream"];
    assert_findings(&fleet.verify(&lines), stream, &findings);
}

#[test]
fn dropped_records_are_named_and_accepted() {
    let fleet = Fleet::new();
    let mut enclave = fleet.start_enclave();
    let mut lines = vec![enclave.record()];
    (0..2).for_each(|_| enclave.trail.drop_record());
    lines.extend(enclave.minute(1));
    assert_findings(
        &fleet.verify(&lines),
        enclave.stream(),
        &["dropped by the enclave itself: records 2 to 3"],
    );
    // A record with the number of a gap may be the rest of a failed write, or forged.
    let extra = replaced(&lines[0], "\"sequence\":1", "\"sequence\":2");
    lines.insert(1, extra);
    let findings =
        ["not proved: record 2 at line 2", "dropped by the enclave itself: records 2 to 3"];
    let report = fleet.verify(&lines);
    assert_findings(&report, enclave.stream(), &findings);
    assert!(!report.is_verified(), "{report}");
}

#[test]
fn repeated_digest_is_accepted() {
    let mut trail = Trail::new();
    let line = trail.lines[Trail::digest(2)].clone();
    trail.lines.push(line);
    trail.assert_findings(&["the digest at line 37 occurs again"]);
}

#[test]
fn document_of_another_key_is_rejected() {
    let fleet = Fleet::new();
    let (mut enclave, other) = (fleet.start_enclave(), fleet.start_enclave());
    let mut lines = enclave.minute(1);
    let (own, foreign) = (STANDARD.encode(&enclave.document), STANDARD.encode(&other.document));
    lines[1] = replaced(&lines[1], &own, &foreign);
    let findings = ["rejected attestation document at line 2", "no accepted attestation document"];
    assert_findings(&fleet.verify(&lines), enclave.stream(), &findings);
}

#[test]
fn document_of_another_root_is_rejected() {
    let (fleet, other) = (Fleet::new(), Fleet::new());
    let mut enclave = other.start_enclave();
    let lines = enclave.minute(1);
    let findings = ["rejected attestation document at line 2", "no accepted attestation document"];
    assert_findings(&fleet.verify(&lines), enclave.stream(), &findings);
}

#[test]
fn trail_without_records_is_rejected() {
    let fleet = Fleet::new();
    assert!(!fleet.verify(&[b"log line\n".to_vec()]).is_verified());
}
