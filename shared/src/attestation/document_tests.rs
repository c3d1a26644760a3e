//! Each rule from 9 to 17, broken alone: the forge changes one thing and signs correctly again.

use std::sync::Arc;

use super::*;
use crate::attestation::{AnchorError, ChainPosition, PcrFamily, Simulated, TrustAnchors};
use crate::simulator::der::{self, oid};
use crate::simulator::{
    DocumentRequest, Extension, Forgery, Instead, Key, KeyUsage, World, default_pcrs, sign_payload,
};

#[path = "certificate_tests.rs"]
mod certificates;

const NOW: UnixMillis = UnixMillis::from_secs(1_800_000_000);
const LEAF: usize = 4;

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
            .verify_live(&self.anchors, now, max_age, DebugMode::Refuse)
            .err()
    }

    fn verdict(&self) -> Option<UntrustedDocument> {
        self.verdict_at(NOW, MaxAge::default())
    }
}

fn verdict(change: impl FnOnce(&mut Forgery)) -> Option<UntrustedDocument> {
    let mut forgery = forgery();
    change(&mut forgery);
    forge(&forgery).verdict()
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

#[test]
fn judges_every_certificate_at_the_given_time_to_the_second() {
    for level in 0..=LEAF {
        let certificate =
            if level == LEAF { ChainPosition::Leaf } else { ChainPosition::Cabundle(level) };
        let at = NOW;
        let not_after = NOW.minus_secs(1);
        let expired = verdict(|f| f.specs[level].not_after = not_after);
        let expected = UntrustedDocument::CertificateExpired { certificate, not_after, at };
        assert_eq!(expired, Some(expected));
        let not_before = NOW.plus_secs(1);
        let early = verdict(|f| f.specs[level].not_before = not_before);
        let expected = UntrustedDocument::CertificateNotYetValid { certificate, not_before, at };
        assert_eq!(early, Some(expected));
        let last_second = |f: &mut Forgery| {
            f.specs[level].not_before = NOW;
            f.specs[level].not_after = NOW;
        };
        assert_eq!(verdict(last_second), None);
    }
}

#[test]
fn judges_the_age_of_a_live_document_to_the_millisecond() {
    let at =
        |offset_ms: i64| UnixMillis::new(NOW.as_millis().checked_add_signed(offset_ms).unwrap());
    let forged = forge(&forgery());
    let age = |offset| forged.verdict_at(at(offset), MaxAge::Seconds(300));
    assert_eq!(age(300_000), None);
    let too_old = UntrustedDocument::TooOld { age_ms: 300_001, max_age_secs: 300 };
    assert_eq!(age(300_001), Some(too_old));
    assert_eq!(forged.verdict_at(at(999_000), MaxAge::Chain), None);
    assert_eq!(age(-60_000), None);
    let now = at(-60_001);
    let early = UntrustedDocument::FromTheFuture { timestamp: NOW, now };
    assert_eq!(age(-60_001), Some(early.clone()));
    assert_eq!(forged.verdict_at(now, MaxAge::Chain), Some(early));
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
    let allowed = document.verify_live(&forged.anchors, NOW, MaxAge::Chain, DebugMode::Allow);
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
