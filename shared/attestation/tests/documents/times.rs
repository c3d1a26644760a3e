//! Tests of rules 13 and 14: validity periods and the age of the document.

use super::*;

/// Returns the verification time of a document that was signed at `signed_at`.
fn at(time: UnixMillis, signed_at: UnixMillis) -> VerificationTime {
    VerificationTime { reading: ClockReading::given(time), signed_at }
}

#[test]
fn not_after_has_no_tolerance_at_any_position() {
    for level in 0..=LEAF {
        let certificate = position(level);
        let not_after = NOW.minus_secs(1);
        let expired = rejection(|f| f.specs[level].not_after = not_after);
        let at = at(NOW, NOW);
        let expected = UntrustedDocument::CertificateExpired { certificate, not_after, at };
        assert_eq!(expired, Some(expected));
        assert_eq!(rejection(|f| f.specs[level].not_after = NOW), None);
    }
}

#[test]
fn not_before_has_60_s_of_tolerance_at_every_position() {
    for level in 0..=LEAF {
        let certificate = position(level);
        let signed = |ahead, timestamp| {
            sign_with(|f| {
                f.specs[level].not_before = NOW.plus_secs(ahead);
                f.document.timestamp = timestamp;
            })
        };
        // A live document may not be older than its leaf.
        let signed_at = if level == LEAF { NOW.plus_secs(60) } else { NOW };
        for ahead in [0, 3, 60] {
            assert_eq!(signed(ahead, signed_at).rejection(), None, "{certificate} {ahead}");
            let stored = signed(ahead, NOW).rejection_when_stored();
            assert_eq!(stored, None, "{certificate} {ahead}");
        }
        let not_before = NOW.plus_secs(61);
        let early = |at| UntrustedDocument::CertificateNotYetValid { certificate, not_before, at };
        assert_eq!(signed(61, signed_at).rejection(), Some(early(at(NOW, signed_at))));
        let reading = ClockReading { source: ClockSource::Document, time: NOW };
        let stored = early(VerificationTime { reading, signed_at: NOW });
        assert_eq!(signed(61, NOW).rejection_when_stored(), Some(stored));
    }
}

#[test]
fn checks_not_before_to_the_second() {
    let signed = sign_with(|f| f.specs[1].not_before = NOW.plus_secs(60));
    let verify = |millis| {
        let now = UnixMillis::new(NOW.as_millis() - millis);
        signed.rejection_at(now, MaxAge::Chain).map(|error| error.rule())
    };
    assert_eq!(verify(0), None);
    assert_eq!(verify(1), Some(Rule::Validity));
}

#[test]
fn rejects_chain_without_a_common_second_within_tolerance() {
    for (ends, begins) in [(1, 1), (1, 3), (3, 1), (LEAF, 0)] {
        let chain = |gap: u64| {
            rejection(|f| {
                f.specs[ends].not_after = NOW.plus_secs(10);
                f.specs[begins].not_before = NOW.plus_secs(10 + gap);
            })
        };
        assert_eq!(chain(0), None, "{ends} {begins}");
        let expected = UntrustedDocument::DisjointValidity {
            late: position(begins),
            not_before: NOW.plus_secs(11),
            early: position(ends),
            not_after: NOW.plus_secs(10),
        };
        assert_eq!(chain(1), Some(expected));
    }
}

#[test]
fn rejects_document_from_the_future_before_rule_13() {
    let signed = sign_with(|f| f.specs[2].not_before = NOW);
    for behind in [61, 3600, LIFETIME, 2 * LIFETIME] {
        let now = NOW.minus_secs(behind);
        let error = signed.rejection_at(now, MaxAge::Chain).unwrap();
        assert_eq!(error, UntrustedDocument::TimestampInFuture { at: at(now, NOW) });
        assert!(!error.passed(Rule::Validity) && error.passed(Rule::Anchor));
    }
    let old = signed.rejection_at(NOW.plus_secs(301), MaxAge::default()).unwrap();
    assert!(old.passed(Rule::Validity) && !old.passed(Rule::DocumentAge));
}

#[test]
fn errors_about_time_name_the_clock_and_both_times() {
    let signed = sign_with(|f| f.specs[1].not_before = NOW);
    let message = |now| {
        let document = UnverifiedDocument::parse(signed.document.clone()).unwrap();
        let verified =
            document.verify_live(&signed.anchors, now, MaxAge::default(), DebugMode::Reject);
        verified.unwrap_err().to_string()
    };
    let signed = "the document was signed at 2027-01-15T08:00:00Z";
    assert_eq!(
        message(ClockReading::this_machine(NOW.minus_secs(61))),
        format!(
            "the document's timestamp is more than 60 s in the future: this machine's clock shows \
             2027-01-15T07:58:59Z; {signed}"
        )
    );
    assert_eq!(
        message(ClockReading::enclave(NOW.plus_secs(633))),
        format!(
            "the document is too old: 10 min 33 s, at most 5 min is allowed; the enclave's clock shows \
             2027-01-15T08:10:33Z; {signed}; request a new one"
        )
    );
    assert_eq!(
        message(ClockReading::given(NOW.plus_secs(LIFETIME + 1))),
        format!(
            "cabundle[0] expired at 2027-01-15T08:16:40Z: verified at the given time \
             2027-01-15T08:16:41Z; {signed}"
        )
    );
    let early = rejection(|f| f.specs[1].not_before = NOW.plus_secs(61)).unwrap();
    assert_eq!(
        early.to_string(),
        format!(
            "cabundle[1] is not valid before 2027-01-15T08:01:01Z, more than 60 s ahead: verified \
             at the given time 2027-01-15T08:00:00Z; {signed}"
        )
    );
}

#[test]
fn checks_document_age_to_the_millisecond() {
    let time =
        |offset_ms: i64| UnixMillis::new(NOW.as_millis().checked_add_signed(offset_ms).unwrap());
    let signed = sign(&builder());
    let age = |offset| signed.rejection_at(time(offset), MaxAge::Seconds(300));
    assert_eq!(age(300_000), None);
    let too_old = UntrustedDocument::TooOld { max_age_secs: 300, at: at(time(300_001), NOW) };
    assert!(too_old.to_string().starts_with("the document is too old: 5 min 1 s, at most 5 min "));
    assert_eq!(age(300_001), Some(too_old));
    assert_eq!(signed.rejection_at(time(999_000), MaxAge::Chain), None);
    assert_eq!(age(-60_000), None);
    let early = UntrustedDocument::TimestampInFuture { at: at(time(-60_001), NOW) };
    assert_eq!(age(-60_001), Some(early.clone()));
    assert_eq!(signed.rejection_at(time(-60_001), MaxAge::Chain), Some(early));
}

#[test]
fn rejects_document_older_than_its_leaf_at_any_max_age() {
    let leaf_not_before = NOW.minus_secs(1000);
    for max_age in [MaxAge::Chain, MaxAge::Seconds(u64::MAX)] {
        let signed_at = |timestamp: UnixMillis| {
            let mut builder = builder();
            builder.document.timestamp = timestamp;
            sign(&builder).rejection_at(NOW, max_age)
        };
        assert_eq!(signed_at(leaf_not_before), None);
        let timestamp = UnixMillis::new(leaf_not_before.as_millis() - 1);
        let not_before = leaf_not_before;
        let expected = UntrustedDocument::OlderThanLeaf { timestamp, not_before };
        assert_eq!(signed_at(timestamp), Some(expected));
    }
}
