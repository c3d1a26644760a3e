//! Tests of the digests of a trail.

use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use attestation::crypto::{Es256Key, P256_POINT_LENGTH};
use attestation::time::UnixMillis;
use attestation::{KeyId, SignedAuditDigest};

use super::*;

const TIMEOUT: Duration = Duration::from_secs(30);

/// A schedule whose digests are not due during a test.
const NEVER: DigestSchedule =
    DigestSchedule { digests: Duration::from_secs(3600), documents: Duration::from_secs(3600) };

/// The digests of a new stream, and its public key. The document is `document`.
fn digests(schedule: DigestSchedule) -> (StreamDigests, [u8; P256_POINT_LENGTH]) {
    let receipt_key = Arc::new(Es256Key::generate().unwrap());
    let point = *receipt_key.public_key();
    let sources = DigestSources {
        receipt_key,
        now: Box::new(|| UnixMillis::new(7)),
        document: Box::new(|| Some(Arc::from(&b"document"[..]))),
    };
    (StreamDigests::new(sources, schedule), point)
}

/// Returns the next digest at the end of the stream, and the SHA-256 digest of its statement.
fn next(
    digests: &mut StreamDigests,
    point: &[u8; P256_POINT_LENGTH],
) -> Option<(AuditDigest, [u8; SHA_256_LENGTH])> {
    let mut line = Vec::new();
    digests.append_due(true, &mut line);
    if line.is_empty() {
        return None;
    }
    digests.done(true);
    let line: serde_json::Value = serde_json::from_slice(&line).unwrap();
    let signed = SignedAuditDigest::from_base64(line["auditDigest"].as_str().unwrap()).unwrap();
    Some((signed.verify(point).unwrap().clone(), signed.statement_digest()))
}

#[test]
fn digest_covers_written_lines_and_names_gaps() {
    let (mut digests, point) = digests(NEVER);
    let mut chain = AuditChain::new(KeyId::of(&point));
    for (number, line) in [(1, "one"), (2, "two"), (6, "six")] {
        if number == 6 {
            digests.add_gap(3..=3);
            digests.add_gap(4..=5);
        }
        digests.cover(number, line.as_bytes());
        chain.append(number, line.as_bytes());
    }
    let (digest, _) = next(&mut digests, &point).unwrap();
    let expected = AuditDigest {
        from: 1,
        to: 6,
        gaps: vec![(3, 5)],
        head: chain.head(),
        previous: None,
        time: UnixMillis::new(7),
        is_end: true,
    };
    assert_eq!(digest, expected);
    assert!(next(&mut digests, &point).is_none(), "a digest after the end");
}

#[test]
fn first_digest_follows_the_first_record() {
    let (mut digests, _) = digests(NEVER);
    let due = |digests: &mut StreamDigests| {
        let mut line = Vec::new();
        digests.append_due(false, &mut line);
        digests.done(true);
        !line.is_empty()
    };
    assert!(!due(&mut digests), "a digest without a record");
    digests.cover(1, b"one");
    assert!(due(&mut digests));
    digests.cover(2, b"two");
    assert!(!due(&mut digests), "the second digest follows a minute later");
}

#[test]
fn more_gaps_than_the_maximum_need_several_digests() {
    let (mut digests, point) = digests(NEVER);
    let gaps = 2 * u64::try_from(MAX_GAPS).unwrap() + 1;
    for number in 1..=gaps {
        digests.add_gap(2 * number - 1..=2 * number - 1);
        digests.cover(2 * number, b"line");
    }
    let (mut from, mut previous, mut found) = (1, None, Vec::new());
    while let Some((digest, statement)) = next(&mut digests, &point) {
        assert_eq!((digest.from, digest.previous), (from, previous));
        assert_eq!(digest.is_end, digest.to == 2 * gaps);
        (from, previous) = (digest.to + 1, Some(statement));
        found.push(digest.gaps.len());
    }
    assert_eq!(found, [MAX_GAPS, MAX_GAPS, 1]);
}

#[test]
fn records_become_gaps_while_too_many_ranges_wait() {
    let (mut digests, point) = digests(NEVER);
    let gaps = u64::try_from((MAX_WAITING + 5) * MAX_GAPS).unwrap();
    for number in 1..=gaps {
        digests.add_gap(2 * number - 1..=2 * number - 1);
        digests.cover(2 * number, b"line");
    }
    let mut last = None;
    while let Some((digest, _)) = next(&mut digests, &point) {
        assert!(digest.gaps.len() <= MAX_GAPS);
        last = Some(digest);
    }
    let last = last.unwrap();
    assert_eq!((last.to, last.is_end), (2 * gaps, true));
    let (first, end) = *last.gaps.last().unwrap();
    assert!(first < end && end == 2 * gaps, "{first} to {end}");
}

#[test]
fn failed_digest_is_written_again_with_the_same_bytes() {
    let (mut digests, _) = digests(DigestSchedule { digests: Duration::ZERO, ..NEVER });
    let mut lines = [Vec::new(), Vec::new(), Vec::new()];
    let [first, second, third] = &mut lines;
    digests.append_due(false, first);
    digests.done(false);
    digests.cover(1, b"one");
    digests.append_due(false, second);
    digests.done(true);
    digests.append_due(false, third);
    digests.done(true);
    let [first, second, third] = lines;
    assert_eq!(first, second);
    assert_ne!(second, third);
    let counts = digests.counts();
    let counts = [&counts.failed, &counts.written].map(|count| count.load(Ordering::Relaxed));
    assert_eq!(counts, [1, 2]);
    // Only the first digest contains the document, because the next document is not due.
    let has_document = |line: &[u8]| line.windows(19).any(|part| part == b"attestationDocument");
    assert!(has_document(&first) && !has_document(&third));
}

/// A writer that sends each written text, and fails while the flag is set.
struct SendingWriter(Sender<String>, Arc<AtomicBool>);

impl std::io::Write for SendingWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let has_failed = self.1.load(Ordering::Relaxed);
        self.0.send(text).map_err(|_| std::io::ErrorKind::BrokenPipe)?;
        if has_failed { Err(std::io::ErrorKind::BrokenPipe.into()) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn start(
    schedule: DigestSchedule,
) -> (super::super::AuditTrail, Receiver<String>, Arc<AtomicBool>) {
    let (sender, lines) = mpsc::channel();
    let fails = Arc::default();
    let writer = SendingWriter(sender, Arc::clone(&fails));
    let limits = super::super::UnauthenticatedLimits::default();
    let sources = DigestSources::without_document();
    (super::super::AuditTrail::start(writer, sources, schedule, limits).unwrap(), lines, fails)
}

#[test]
fn idle_trail_writes_digests() {
    let digests = Duration::from_millis(1);
    let (trail, lines, _) = start(DigestSchedule { digests, ..NEVER });
    for _ in 0..3 {
        assert!(lines.recv_timeout(TIMEOUT).unwrap().starts_with(r#"{"auditDigest":""#));
    }
    // The count grows after the output has accepted the line.
    while trail.digests().0 < 3 {
        std::thread::yield_now();
    }
    assert_eq!(trail.digests().1, 0);
}

#[test]
fn failed_digests_are_counted() {
    let digests = Duration::from_millis(1);
    let (trail, _lines, fails) = start(DigestSchedule { digests, ..NEVER });
    fails.store(true, Ordering::Relaxed);
    while trail.digests().1 == 0 {
        std::thread::yield_now();
    }
}

#[test]
fn trail_ends_with_one_digest() {
    let (trail, lines, _) = start(NEVER);
    drop(trail);
    let lines: Vec<_> = lines.iter().collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with(r#"{"auditDigest":""#), "{lines:?}");
}
