use super::*;

fn digest() -> AuditDigest {
    AuditDigest {
        from: 1,
        to: 70_000,
        gaps: vec![(3, 5), (9, 9)],
        head: [1; 32],
        previous: Some([2; 32]),
        time: UnixMillis::new(5),
        is_end: false,
    }
}

#[test]
fn signed_digest_round_trips_and_verifies() {
    let (key, other) = (Es256Key::generate().unwrap(), Es256Key::generate().unwrap());
    let first = AuditDigest { previous: None, is_end: true, gaps: Vec::new(), ..digest() };
    for digest in [digest(), first] {
        let bytes = digest.sign(&key).unwrap();
        let signed = SignedAuditDigest::from_base64(&STANDARD.encode(&bytes)).unwrap();
        assert_eq!(signed.key_id(), KeyId::of(key.public_key()));
        assert_eq!(signed.statement_digest(), Sha256::digest(&bytes));
        assert_eq!(signed.verify(key.public_key()), Ok(&digest));
        let invalid = AuditDigestError::Signature(StatementSignatureError::Invalid);
        assert_eq!(signed.verify(other.public_key()), Err(invalid));
    }
}

#[test]
fn longest_digest_fits_its_limit() {
    let first = u64::MAX - 3 * u64::try_from(MAX_GAPS).unwrap();
    let gaps = (0_u64..).map(|gap| (first + 3 * gap, first + 3 * gap)).take(MAX_GAPS).collect();
    let longest = AuditDigest { from: first, to: u64::MAX, gaps, ..digest() };
    let bytes = longest.sign(&Es256Key::generate().unwrap()).unwrap();
    assert!(SignedAuditDigest::parse(bytes).is_ok());
    let gaps = (0_u64..).map(|gap| (1 + 2 * gap, 1 + 2 * gap));
    let with_gaps = |count| AuditDigest { gaps: gaps.clone().take(count).collect(), ..digest() };
    let parse = |digest: AuditDigest| AuditDigest::from_payload(&digest.to_payload());
    assert!(parse(with_gaps(MAX_GAPS)).is_ok());
    let error = AuditDigestError::Member { member: "gaps" };
    assert_eq!(parse(with_gaps(MAX_GAPS + 1)), Err(error));
}

#[test]
fn rejects_other_payloads() {
    let payload = digest().to_payload();
    for length in 0..payload.len() {
        assert!(AuditDigest::from_payload(&payload[..length]).is_err(), "{length}");
    }
    let error = |member| Err(AuditDigestError::Member { member });
    let replaced = |from: &[u8], to: &[u8]| {
        let at = payload.windows(from.len()).position(|window| window == from).unwrap();
        AuditDigest::from_payload(&[&payload[..at], to, &payload[at + from.len()..]].concat())
    };
    assert_eq!(replaced(b"\x61v\x01", b"\x61v\x02"), error("v"));
    assert_eq!(replaced(b"\xa8\x61v", b"\xa9\x61v"), error("v"));
    assert_eq!(replaced(b"\x62to", b"\x62tp"), error("to"));
    assert_eq!(replaced(b"end\xf4", b"end\xf6"), error("end"));
    assert_eq!(replaced(b"gaps\x82\x82\x03\x05", b"gaps\x82\x83\x03\x05"), error("gaps"));
    assert_eq!(replaced(b"head\x58\x20\x01", b"head\x58\x1f"), error("head"));
    assert_eq!(replaced(b"prev\x58\x20\x02", b"prev\x58\x1f"), error("prev"));
    let not_deterministic = Err(AuditDigestError::NotDeterministic);
    assert_eq!(replaced(b"gaps\x82", b"gaps\x9f"), error("gaps"));
    let longer = [&payload[..], &[0]].concat();
    assert_eq!(AuditDigest::from_payload(&longer), not_deterministic);
}

#[test]
fn gaps_ascend_apart_from_each_other_within_the_records() {
    let parse = |gaps: &[(u64, u64)]| {
        let digest = AuditDigest { from: 10, to: 20, gaps: gaps.to_vec(), ..digest() };
        AuditDigest::from_payload(&digest.to_payload()).is_ok()
    };
    for gaps in [&[(10, 20)][..], &[(10, 10), (12, 12), (20, 20)], &[]] {
        assert!(parse(gaps), "{gaps:?}");
    }
    for gaps in [
        &[(9, 10)][..],
        &[(20, 21)],
        &[(12, 11)],
        &[(12, 12), (10, 10)],
        &[(12, 14), (14, 15)],
        &[(12, 14), (15, 15)],
        &[(12, u64::MAX), (13, 13)],
    ] {
        assert!(!parse(gaps), "{gaps:?}");
    }
}

#[test]
fn chain_is_that_of_its_definition() {
    let key_id = KeyId([7; 32]);
    let mut chain = AuditChain::new(key_id);
    let first = Sha256::digest(&[b"attested-random audit v1", &[7; 32][..]].concat());
    assert_eq!(chain.head(), first);
    chain.append(258, b"{}");
    let number = [0, 0, 0, 0, 0, 0, 1, 2];
    let next = [&first[..], &number, &Sha256::digest(b"{}")].concat();
    assert_eq!(chain.head(), Sha256::digest(&next));
    let mut continued = AuditChain::from_head(first);
    continued.append_digest(258, &Sha256::digest(b"{}"));
    assert_eq!(continued, chain);
}
