//! The target for attestation documents: arbitrary bytes, verified under AWS's root and under the
//! fixture's root.

use std::sync::OnceLock;

use attestation::time::UnixMillis;
use attestation::{
    Claims, ClockReading, DebugMode, MAX_DOCUMENT_LENGTH, MaxAge, Production, Trust, TrustAnchors,
    UntrustedDocument, UnverifiedDocument, nsm_timestamp,
};
use sha2::{Digest, Sha256};

use crate::fixture;

/// Length of the signature at the end of a document, in bytes.
const SIGNATURE_LENGTH: usize = 96;
const TAG_COSE_SIGN1: u8 = 0xd2;

/// SHA-256 digests of the genuine documents in the test vectors, without the tag and the signature. Only
/// AWS can sign under AWS's root, so no other document may verify under that root.
#[rustfmt::skip]
const GENUINE: [&str; 9] = [
    "5f068b86ec537cf081f51bba5d78086e1ba66ac1a419aa29dd6e9411de289623",
    "d8d8220c1e3cb146261f1dce22cf18f2664eb99da9b90975def56d8b80e78c72",
    "add2472fdbc192200eeeebda9892b5ec057cd8636cba9ebb2b20d960a8930e67",
    "25fca72358d041d857f39e8402c4f0fbb98be11f9f1d77f5796f64ca7e4ebd29",
    "5e699036b55c570ac7a2e3935c74486fb8272e9800a160963ba4882d9478178b",
    "9564e18e2d79ab669998f30ad2ceb357eb9d55b231d6efe414a6b144656eb60d",
    "64fb7a34467d0c2853d060498822fecafafe83b0675317a93fb098161523d5a6",
    "4ec18e5cbe11eec19a7c7f842cd2b0a88e79690dcbd0540279bd0bd59afcdef1",
    "8376491631e7fa9d5a81ab593725832a033db3656e2e79b1a540a504fa879a82",
];

/// Checks that the signed bytes of every document that verifies are the signed bytes of a valid
/// document. The tag may be absent. The signature (r, s) may be replaced by its equivalent (r, n - s).
pub fn run(data: &[u8]) {
    let parse = || UnverifiedDocument::parse(data.to_vec());
    let own_time = nsm_timestamp(data);
    let Ok(document) = parse() else { return };
    assert!(data.len() <= MAX_DOCUMENT_LENGTH);
    // `nsm_timestamp` checks less than the parser, but must read the same timestamp.
    assert_eq!(own_time, Ok(document.dangerous_unverified_claims().timestamp()));
    check_claims(&document.dangerous_unverified_claims(), data);
    let signed = signed_part(data);
    if verifies(parse, aws()) {
        let digest = Sha256::digest(signed);
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(GENUINE.contains(&digest.as_str()), "{digest} verifies under AWS's root");
    }
    if verifies(parse, fixture::anchors()) {
        let good =
            fixture::valid_payloads().iter().map(|payload| fixture::unsigned_document(payload));
        assert!(good.into_iter().any(|good| signed_part(&good) == signed), "a forgery verifies");
    }
}

fn aws() -> &'static TrustAnchors<Production> {
    static AWS: OnceLock<TrustAnchors<Production>> = OnceLock::new();
    AWS.get_or_init(TrustAnchors::aws_nitro)
}

fn signed_part(document: &[u8]) -> &[u8] {
    let untagged = document.strip_prefix(&[TAG_COSE_SIGN1]).unwrap_or(document);
    &untagged[..untagged.len() - SIGNATURE_LENGTH]
}

/// Returns whether a document verifies.
///
/// Also checks that:
/// - A document that verifies live also verifies as a stored document.
/// - `DebugMode::Reject` rejects the documents in debug mode and no others.
/// - A document verifies if the clock is at most 60 s behind its timestamp.
fn verifies<T: Trust, E: std::fmt::Debug>(
    parse: impl Fn() -> Result<UnverifiedDocument, E>,
    anchors: &TrustAnchors<T>,
) -> bool {
    let parse = || parse().expect("the document was parsed before");
    let stored = parse().verify_at_document_time(anchors, DebugMode::Allow);
    let (now, age) = (ClockReading::given(fixture::NOW), MaxAge::default());
    let live = parse().verify_live(anchors, now, age, DebugMode::Allow);
    let strict = parse().verify_at_document_time(anchors, DebugMode::Reject);
    assert!(live.is_err() || stored.is_ok());
    let Ok(stored) = stored else {
        assert!(strict.is_err());
        return false;
    };
    assert_eq!(strict.is_err(), stored.claims().pcrs().is_debug_mode());
    let signed_at = stored.claims().timestamp();
    let behind = |millis| {
        let now = ClockReading::given(UnixMillis::new(signed_at.as_millis() - millis));
        parse().verify_live(anchors, now, MaxAge::Chain, DebugMode::Allow)
    };
    assert!(behind(60_000).is_ok());
    assert!(matches!(behind(60_001), Err(UntrustedDocument::TimestampInFuture { .. })));
    true
}

/// Checks that every claim is within its limits and is not longer than the document.
pub(crate) fn check_claims(claims: &Claims<'_>, document: &[u8]) {
    let within = |bytes: &[u8]| bytes.len() <= document.len();
    assert!(!claims.module_id().is_empty() && within(claims.module_id().as_bytes()));
    assert!(claims.timestamp().as_millis() > 0);
    assert_eq!(claims.signature(), &document[document.len() - SIGNATURE_LENGTH..]);
    assert!((1..=32).contains(&claims.pcrs().iter().count()));
    assert!((2..=5).contains(&claims.cabundle().count()));
    assert!(claims.cabundle().chain([claims.certificate()]).all(|der| {
        let length = der.len();
        (1..=1024).contains(&length) && within(der)
    }));
    assert!(claims.public_key().is_none_or(|key| (1..=1024).contains(&key.len())));
    for optional in [claims.user_data(), claims.nonce()] {
        assert!(optional.is_none_or(|bytes| bytes.len() <= 1024));
    }
}
