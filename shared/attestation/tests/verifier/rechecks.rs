//! Tests of the rules that are checked again for cached documents.

use super::*;

#[test]
fn checks_every_other_rule_for_cached_documents() {
    let issuer = Issuer::new();
    let verifier = issuer.verifier(MANY);
    let document = issuer.document(1);
    verify(&verifier, &document).unwrap();
    let expires = issuer.builder.specs[0].not_after;
    let too_late = expires.plus_secs(1);
    assert_eq!(
        verify_at(&verifier, &document, too_late),
        Err(UntrustedDocument::CertificateExpired {
            certificate: ChainPosition::Cabundle(0),
            not_after: expires,
            at: at(too_late)
        })
    );
    let old = NOW.plus_secs(301);
    let too_old = UntrustedDocument::TooOld { max_age_secs: 300, at: at(old) };
    assert_eq!(verify_at(&verifier, &document, old), Err(too_old));
    let now = NOW.minus_secs(61);
    let future = UntrustedDocument::TimestampInFuture { at: at(now) };
    assert_eq!(verify_at(&verifier, &document, now), Err(future));
    // The document is still cached.
    assert_eq!(cost(&verifier, &document), 0);
}

#[test]
fn checks_validity_of_each_certificate_of_cached_documents() {
    for level in 0..=LEAF {
        let certificate =
            if level == LEAF { ChainPosition::Leaf } else { ChainPosition::Cabundle(level) };
        let (not_before, not_after) = (NOW.minus_secs(10), NOW.plus_secs(10));
        let mut builder = DocumentBuilder::new(LEAF, NOW).unwrap();
        builder.specs[level].not_before = not_before;
        builder.specs[level].not_after = not_after;
        let issuer = Issuer::new_with(builder);
        let verifier = issuer.verifier(MANY);
        let document = issuer.document(1);
        verify(&verifier, &document).unwrap();
        assert_eq!(verify_at(&verifier, &document, not_before), Ok(()));
        assert_eq!(verify_at(&verifier, &document, not_after), Ok(()));
        let late = not_after.plus_secs(1);
        let at = at(late);
        let expired = UntrustedDocument::CertificateExpired { certificate, not_after, at };
        assert_eq!(verify_at(&verifier, &document, late), Err(expired));
    }
}

#[test]
fn verification_within_tolerance_widens_no_validity() {
    // The leaf is not tested here, because its validity cannot begin after the document's timestamp.
    for level in 0..LEAF {
        let certificate = ChainPosition::Cabundle(level);
        let (not_before, not_after) = (NOW.plus_secs(60), NOW.plus_secs(70));
        let mut builder = DocumentBuilder::new(LEAF, NOW).unwrap();
        builder.specs[level].not_before = not_before;
        builder.specs[level].not_after = not_after;
        let issuer = Issuer::new_with(builder);
        let verifier = issuer.verifier(MANY);
        let (first, other) = (issuer.document(1), issuer.another_leaf());
        let documents = [first, issuer.document(2), other.document(3)];
        assert_eq!(cost(&verifier, &documents[0]), 5);
        for document in &documents {
            let early = NOW.minus_secs(1);
            let rejected = UntrustedDocument::CertificateNotYetValid {
                certificate,
                not_before,
                at: at(early),
            };
            assert_eq!(verify_at(&verifier, document, early), Err(rejected));
            let late = not_after.plus_secs(1);
            let rejected =
                UntrustedDocument::CertificateExpired { certificate, not_after, at: at(late) };
            assert_eq!(verify_at(&verifier, document, late), Err(rejected));
        }
        assert_eq!(documents.map(|document| cost(&verifier, &document)), [0, 1, 2]);
    }
}

#[test]
fn rejects_debug_mode_of_documents_cached_with_debug_mode() {
    let issuer = Issuer::new();
    let verifier = issuer.verifier(MANY);
    let bytes = issuer.document_of(|builder| {
        for index in 0..3 {
            builder.document.pcrs.insert(index, [0; 48]);
        }
    });
    let verify_with = |debug_mode| {
        let document = UnverifiedDocument::parse(bytes.clone()).unwrap();
        verifier
            .verify_live(document, ClockReading::enclave(NOW), MaxAge::default(), debug_mode)
            .map(drop)
    };
    assert_eq!(verify_with(DebugMode::Allow), Ok(()));
    assert_eq!(verify_with(DebugMode::Reject), Err(UntrustedDocument::DebugMode));
    assert_eq!(verify_with(DebugMode::Allow), Ok(()));
}

#[test]
fn cached_documents_keep_their_own_claims() {
    let issuer = Issuer::new();
    let verifier = issuer.verifier(MANY);
    for (nonce, times) in [(1, 2), (2, 2)] {
        for _ in 0..times {
            let document = UnverifiedDocument::parse(issuer.document(nonce)).unwrap();
            let verified = verifier
                .verify_live(
                    document,
                    ClockReading::enclave(NOW),
                    MaxAge::default(),
                    DebugMode::Reject,
                )
                .unwrap();
            assert_eq!(verified.claims().nonce(), Some(&[nonce][..]));
            assert_eq!(verified.recipient_key().err(), Some(RecipientKeyError::Absent));
            let pcrs = verified.claims().pcrs();
            let expected = default_pcrs(pcrs.family());
            assert!(
                expected
                    .iter()
                    .all(|(index, value)| { pcrs.value(usize::from(*index)) == Some(value) })
            );
        }
    }
}
