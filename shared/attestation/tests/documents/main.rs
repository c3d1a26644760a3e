//! Each rule from 9 to 17, broken alone: the forge changes one thing and signs correctly again.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a failure here is a test's failure"
)]

mod certificates;

use std::sync::Arc;

use attestation::time::UnixMillis;
use attestation::{
    AnchorError, ChainPosition, ClockReading, DebugMode, JudgedAt, JudgingClock, MaxAge, PcrFamily,
    RecipientKeyError, Rule, Simulated, TrustAnchors, UntrustedDocument, UnverifiedDocument,
};
use simulator::der::{self, oid};
use simulator::{
    DocumentRequest, Extension, Forgery, Instead, Key, KeyUsage, World, default_pcrs, sign_payload,
};

const NOW: UnixMillis = UnixMillis::from_secs(1_800_000_000);
const LEAF: usize = 4;
/// Seconds for which the forge's certificates are valid before and after `NOW`.
const LIFETIME: u64 = 1000;

struct Forged {
    document: Vec<u8>,
    anchors: TrustAnchors<Simulated>,
}

fn forgery() -> Forgery {
    Forgery::new(LEAF, NOW).unwrap()
}

/// Signs over `certificates`, the leaf last, and trusts the first of them.
fn sign_over(forgery: &Forgery, certificates: &[Vec<u8>]) -> Forged {
    let chain: Vec<&[u8]> = certificates.iter().map(Vec::as_slice).collect();
    Forged {
        document: forgery.sign_over(&chain).unwrap(),
        anchors: TrustAnchors::simulator_root(chain[0]),
    }
}

fn forge(forgery: &Forgery) -> Forged {
    sign_over(forgery, &forgery.certificates().unwrap())
}

fn forge_with(change: impl FnOnce(&mut Forgery)) -> Forged {
    let mut forgery = forgery();
    change(&mut forgery);
    forge(&forgery)
}

fn position(level: usize) -> ChainPosition {
    if level == LEAF { ChainPosition::Leaf } else { ChainPosition::Cabundle(level) }
}

/// The verdict on the chain `order` (levels, the leaf last).
fn verdict_on_order(forgery: &Forgery, order: &[usize]) -> Option<UntrustedDocument> {
    let certificates = forgery.certificates().unwrap();
    let chain: Vec<Vec<u8>> = order.iter().map(|level| certificates[*level].clone()).collect();
    sign_over(forgery, &chain).verdict()
}

impl Forged {
    fn verdict_at(&self, now: UnixMillis, max_age: MaxAge) -> Option<UntrustedDocument> {
        UnverifiedDocument::parse(self.document.clone())
            .unwrap()
            .verify_live(&self.anchors, ClockReading::given(now), max_age, DebugMode::Refuse)
            .err()
    }

    fn verdict_when_stored(&self) -> Option<UntrustedDocument> {
        let document = UnverifiedDocument::parse(self.document.clone()).unwrap();
        document.verify_at_document_time(&self.anchors, DebugMode::Refuse).err()
    }

    fn verdict(&self) -> Option<UntrustedDocument> {
        self.verdict_at(NOW, MaxAge::default())
    }
}

fn verdict(change: impl FnOnce(&mut Forgery)) -> Option<UntrustedDocument> {
    forge_with(change).verdict()
}

#[test]
fn accepts_the_unchanged_chain() {
    assert_eq!(verdict(|_| {}), None);
}

#[test]
fn refuses_a_chain_in_another_order_or_with_gaps_or_repeats() {
    use ChainPosition::{Cabundle, Leaf};
    use UntrustedDocument::{ChainOrder, RepeatedSubject};
    let forgery = forgery();
    let order = |order: &[usize]| verdict_on_order(&forgery, order);
    let out_of_order = |certificate| Some(ChainOrder { certificate });
    assert_eq!(order(&[0, 1, 2, 3, LEAF]), None);
    assert_eq!(order(&[0, 1, 3, LEAF]), out_of_order(Cabundle(2)));
    assert_eq!(order(&[0, 1, 2, LEAF]), out_of_order(Leaf));
    let repeated = Some(RepeatedSubject { certificate: Cabundle(1) });
    assert_eq!(order(&[0, 0, 1, 2, 3, LEAF]), repeated);
    // An unused or a duplicated CA is one too many for the path lengths before it is out of place.
    assert!(matches!(
        order(&[0, 1, 2, 3, 3, LEAF]),
        Some(UntrustedDocument::PathLength { certificate: Cabundle(3), allowed: 0, below: 1 })
    ));
}

#[test]
fn refuses_a_root_that_is_no_anchor() {
    let mut forged = forge(&forgery());
    forged.anchors = forge(&forgery()).anchors;
    assert_eq!(forged.verdict(), Some(UntrustedDocument::UnknownRoot));
}

/// The time of judgement of a document that was signed at `signed_at`.
fn at(time: UnixMillis, signed_at: UnixMillis) -> JudgedAt {
    JudgedAt { reading: ClockReading::given(time), signed_at }
}

#[test]
fn not_after_has_no_leeway_at_any_position() {
    for level in 0..=LEAF {
        let certificate = position(level);
        let not_after = NOW.minus_secs(1);
        let expired = verdict(|f| f.specs[level].not_after = not_after);
        let at = at(NOW, NOW);
        let expected = UntrustedDocument::CertificateExpired { certificate, not_after, at };
        assert_eq!(expired, Some(expected));
        assert_eq!(verdict(|f| f.specs[level].not_after = NOW), None);
    }
}

#[test]
fn not_before_has_60_seconds_of_leeway_at_every_position() {
    for level in 0..=LEAF {
        let certificate = position(level);
        let forged = |ahead, timestamp| {
            forge_with(|f| {
                f.specs[level].not_before = NOW.plus_secs(ahead);
                f.document.timestamp = timestamp;
            })
        };
        // A live document may not be older than its leaf.
        let signed_at = if level == LEAF { NOW.plus_secs(60) } else { NOW };
        for ahead in [0, 3, 60] {
            assert_eq!(forged(ahead, signed_at).verdict(), None, "{certificate} {ahead}");
            let stored = forged(ahead, NOW).verdict_when_stored();
            assert_eq!(stored, None, "{certificate} {ahead}");
        }
        let not_before = NOW.plus_secs(61);
        let early = |at| UntrustedDocument::CertificateNotYetValid { certificate, not_before, at };
        assert_eq!(forged(61, signed_at).verdict(), Some(early(at(NOW, signed_at))));
        let reading = ClockReading { clock: JudgingClock::Document, time: NOW };
        let stored = early(JudgedAt { reading, signed_at: NOW });
        assert_eq!(forged(61, NOW).verdict_when_stored(), Some(stored));
    }
}

#[test]
fn not_before_is_judged_to_the_second() {
    let forged = forge_with(|f| f.specs[1].not_before = NOW.plus_secs(60));
    let judge = |millis| {
        let now = UnixMillis::new(NOW.as_millis() - millis);
        forged.verdict_at(now, MaxAge::Chain).map(|error| error.rule())
    };
    assert_eq!(judge(0), None);
    assert_eq!(judge(1), Some(Rule::Validity));
}

#[test]
fn a_chain_without_a_common_second_is_refused_within_the_leeway() {
    for (ends, begins) in [(1, 1), (1, 3), (3, 1), (LEAF, 0)] {
        let chain = |gap: u64| {
            verdict(|f| {
                f.specs[ends].not_after = NOW.plus_secs(10);
                f.specs[begins].not_before = NOW.plus_secs(10 + gap);
            })
        };
        assert_eq!(chain(0), None, "{ends} {begins}");
        let expected = UntrustedDocument::NeverValid {
            late: position(begins),
            not_before: NOW.plus_secs(11),
            early: position(ends),
            not_after: NOW.plus_secs(10),
        };
        assert_eq!(chain(1), Some(expected));
    }
}

#[test]
fn a_document_of_the_future_is_refused_by_rule_14_whatever_its_certificates_say() {
    let forged = forge_with(|f| f.specs[2].not_before = NOW);
    for behind in [61, 3600, LIFETIME, 2 * LIFETIME] {
        let now = NOW.minus_secs(behind);
        let error = forged.verdict_at(now, MaxAge::Chain).unwrap();
        assert_eq!(error, UntrustedDocument::FromTheFuture { at: at(now, NOW) });
        assert!(!error.implies(Rule::Validity) && error.implies(Rule::Anchor));
    }
    let old = forged.verdict_at(NOW.plus_secs(301), MaxAge::default()).unwrap();
    assert!(old.implies(Rule::Validity) && !old.implies(Rule::Freshness));
}

#[test]
fn errors_about_time_name_the_clock_and_both_times() {
    let forged = forge_with(|f| f.specs[1].not_before = NOW);
    let said = |now| {
        let document = UnverifiedDocument::parse(forged.document.clone()).unwrap();
        let verified =
            document.verify_live(&forged.anchors, now, MaxAge::default(), DebugMode::Refuse);
        verified.unwrap_err().to_string()
    };
    let signed = "the document was signed at 2027-01-15T08:00:00Z";
    assert_eq!(
        said(ClockReading::this_machine(NOW.minus_secs(61))),
        format!(
            "the document's timestamp is more than 60 s in the future: this machine's clock says \
             2027-01-15T07:58:59Z; {signed}"
        )
    );
    assert_eq!(
        said(ClockReading::enclave(NOW.plus_secs(633))),
        format!(
            "the document is too old: 10 min 33 s, at most 5 min is allowed; the enclave's clock says \
             2027-01-15T08:10:33Z; {signed}; request a new one"
        )
    );
    assert_eq!(
        said(ClockReading::given(NOW.plus_secs(LIFETIME + 1))),
        format!(
            "cabundle[0] expired at 2027-01-15T08:16:40Z: it is judged at the given time \
             2027-01-15T08:16:41Z; {signed}"
        )
    );
    let early = verdict(|f| f.specs[1].not_before = NOW.plus_secs(61)).unwrap();
    assert_eq!(
        early.to_string(),
        format!(
            "cabundle[1] is not valid before 2027-01-15T08:01:01Z, more than 60 s ahead: it is judged \
             at the given time 2027-01-15T08:00:00Z; {signed}"
        )
    );
}

#[test]
fn judges_the_age_of_a_live_document_to_the_millisecond() {
    let time =
        |offset_ms: i64| UnixMillis::new(NOW.as_millis().checked_add_signed(offset_ms).unwrap());
    let forged = forge(&forgery());
    let age = |offset| forged.verdict_at(time(offset), MaxAge::Seconds(300));
    assert_eq!(age(300_000), None);
    let too_old = UntrustedDocument::TooOld { max_age_secs: 300, at: at(time(300_001), NOW) };
    assert!(too_old.to_string().starts_with("the document is too old: 5 min 1 s, at most 5 min "));
    assert_eq!(age(300_001), Some(too_old));
    assert_eq!(forged.verdict_at(time(999_000), MaxAge::Chain), None);
    assert_eq!(age(-60_000), None);
    let early = UntrustedDocument::FromTheFuture { at: at(time(-60_001), NOW) };
    assert_eq!(age(-60_001), Some(early.clone()));
    assert_eq!(forged.verdict_at(time(-60_001), MaxAge::Chain), Some(early));
}

#[test]
fn a_live_document_is_not_older_than_its_leaf_whatever_age_is_allowed() {
    let leaf_not_before = NOW.minus_secs(1000);
    for max_age in [MaxAge::Chain, MaxAge::Seconds(u64::MAX)] {
        let signed_at = |timestamp: UnixMillis| {
            let mut forgery = forgery();
            forgery.document.timestamp = timestamp;
            forge(&forgery).verdict_at(NOW, max_age)
        };
        assert_eq!(signed_at(leaf_not_before), None);
        let timestamp = UnixMillis::new(leaf_not_before.as_millis() - 1);
        let not_before = leaf_not_before;
        let expected = UntrustedDocument::OlderThanLeaf { timestamp, not_before };
        assert_eq!(signed_at(timestamp), Some(expected));
    }
}

#[test]
fn refuses_a_certificate_that_its_issuer_did_not_sign() {
    for level in 1..=LEAF {
        let forgery = forgery();
        let mut certificates = forgery.certificates().unwrap();
        let stranger = Key::generate().unwrap().0;
        let public_key = forgery.key(level).unwrap().public_key();
        certificates[level] = forgery.specs[level].issue(public_key, &stranger).unwrap();
        let forged = sign_over(&forgery, &certificates);
        assert_eq!(forged.verdict(), Some(UntrustedDocument::ChainSignature));
    }
}

#[test]
fn refuses_a_chain_in_which_the_path_library_finds_more_to_refuse() {
    let server_auth = der::object_identifier(&[0x2b, 6, 1, 5, 5, 7, 3, 1]);
    let ext_key_usage = Extension {
        oid: vec![0x55, 0x1d, 0x25],
        critical: false,
        value: der::sequence(&[&server_auth]),
    };
    for level in 1..=LEAF {
        let purpose = verdict(|f| f.specs[level].extensions.push(ext_key_usage.clone()));
        assert_eq!(purpose, Some(UntrustedDocument::ChainPath), "{level}");
    }
}

#[test]
fn refuses_a_document_that_the_leaf_did_not_sign() {
    let forgery = forgery();
    let certificates = forgery.certificates().unwrap();
    let cabundle: Vec<&[u8]> = certificates[..LEAF].iter().map(Vec::as_slice).collect();
    let payload = forgery.document.payload(&certificates[LEAF], &cabundle);
    let stranger = Key::generate().unwrap().0;
    let document = sign_payload(&payload, &stranger).unwrap();
    let forged = Forged { document, anchors: TrustAnchors::simulator_root(&certificates[0]) };
    assert_eq!(forged.verdict(), Some(UntrustedDocument::DocumentSignature));
}

#[test]
fn refuses_a_flipped_bit_in_the_payload_or_the_signature() {
    let good = forge(&forgery());
    let nonce = good.document.windows(5).position(|w| w == b"nonce").unwrap();
    for offset in [nonce, good.document.len() - 1, good.document.len() - 96] {
        let mut forged = Forged { document: good.document.clone(), ..good_anchors(&good) };
        forged.document[offset] ^= 1;
        assert_eq!(forged.verdict(), Some(UntrustedDocument::DocumentSignature), "{offset}");
    }
}

fn good_anchors(good: &Forged) -> Forged {
    let claims = UnverifiedDocument::parse(good.document.clone()).unwrap();
    let root = claims.dangerous_unverified_claims().cabundle().next().unwrap().to_vec();
    Forged { document: Vec::new(), anchors: TrustAnchors::simulator_root(&root) }
}

#[test]
fn refuses_debug_mode_unless_it_is_allowed() {
    let mut forgery = forgery();
    for index in 0..3 {
        forgery.document.pcrs.insert(index, [0; 48]);
    }
    let forged = forge(&forgery);
    assert_eq!(forged.verdict(), Some(UntrustedDocument::DebugMode));
    let document = UnverifiedDocument::parse(forged.document).unwrap();
    let now = ClockReading::given(NOW);
    let allowed = document.verify_live(&forged.anchors, now, MaxAge::Chain, DebugMode::Allow);
    assert!(allowed.is_ok());
    forgery.document.pcrs.insert(2, [1; 48]);
    assert_eq!(forge(&forgery).verdict(), None);
}

#[test]
fn a_simulated_document_verifies_with_either_family_and_any_age() {
    let world = World::new(Arc::new(|| NOW)).unwrap();
    let anchors = TrustAnchors::simulator_root(world.root_certificate());
    for family in [PcrFamily::NitroEnclave, PcrFamily::NitroTpm] {
        for age_seconds in [0, 1, 100_000_000] {
            let pcrs = default_pcrs(family);
            let (public_key, user_data, nonce) = (None, Some(vec![]), Some(vec![1; 1024]));
            let request =
                DocumentRequest { family, pcrs, public_key, user_data, nonce, age_seconds };
            let document_bytes = world.document(request).unwrap();
            let document = UnverifiedDocument::parse(document_bytes.clone()).unwrap();
            let verified = document.verify_at_document_time(&anchors, DebugMode::Refuse).unwrap();
            let claims = verified.claims();
            assert_eq!(claims.pcrs().family(), family);
            assert_eq!(claims.timestamp(), NOW.minus_secs(age_seconds));
            assert_eq!((claims.user_data(), claims.public_key()), (Some(&[][..]), None));
            assert_eq!(claims.nonce(), Some(&[1; 1024][..]));
            assert_eq!(claims.module_id(), world.module_id(family));
            assert_eq!(
                Some(claims.signature()),
                document_bytes.last_chunk().map(|s: &[u8; 96]| &s[..])
            );
            assert_eq!(verified.recipient_key().unwrap_err(), RecipientKeyError::Absent);
        }
    }
}
