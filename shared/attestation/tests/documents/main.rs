//! Tests of rules 9 to 17: each test changes one part of a valid document and signs it again.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a panic fails the test")]

mod certificates;
mod times;

use std::sync::Arc;

use attestation::time::UnixMillis;
use attestation::{
    AnchorError, ChainPosition, ClockReading, ClockSource, DebugMode, MaxAge, PcrFamily,
    RecipientKeyError, Rule, Simulated, TrustAnchors, UntrustedDocument, UnverifiedDocument,
    VerificationTime,
};
use simulator::der::{self, oid};
use simulator::{
    DocumentBuilder, DocumentRequest, Extension, Key, KeyUsage, Overrides, SimulatedPki,
    default_pcrs, sign_payload,
};

const NOW: UnixMillis = UnixMillis::from_secs(1_800_000_000);
const LEAF: usize = 4;
/// Validity of the certificates before and after `NOW`, in seconds.
const LIFETIME: u64 = 1000;

struct SignedDocument {
    document: Vec<u8>,
    anchors: TrustAnchors<Simulated>,
}

fn builder() -> DocumentBuilder {
    DocumentBuilder::new(LEAF, NOW).unwrap()
}

/// Signs a document with the chain `certificates` (the leaf is the last). The first becomes the trust anchor.
fn sign_over(builder: &DocumentBuilder, certificates: &[Vec<u8>]) -> SignedDocument {
    let chain: Vec<&[u8]> = certificates.iter().map(Vec::as_slice).collect();
    SignedDocument {
        document: builder.sign_over(&chain).unwrap(),
        anchors: TrustAnchors::simulator_root(chain[0]),
    }
}

fn sign(builder: &DocumentBuilder) -> SignedDocument {
    sign_over(builder, &builder.certificates().unwrap())
}

fn sign_with(change: impl FnOnce(&mut DocumentBuilder)) -> SignedDocument {
    let mut builder = builder();
    change(&mut builder);
    sign(&builder)
}

fn position(level: usize) -> ChainPosition {
    if level == LEAF { ChainPosition::Leaf } else { ChainPosition::Cabundle(level) }
}

/// Returns the error for a chain of the levels `order` (the leaf is the last).
fn rejection_of_order(builder: &DocumentBuilder, order: &[usize]) -> Option<UntrustedDocument> {
    let certificates = builder.certificates().unwrap();
    let chain: Vec<Vec<u8>> = order.iter().map(|level| certificates[*level].clone()).collect();
    sign_over(builder, &chain).rejection()
}

impl SignedDocument {
    fn rejection_at(&self, now: UnixMillis, max_age: MaxAge) -> Option<UntrustedDocument> {
        UnverifiedDocument::parse(self.document.clone())
            .unwrap()
            .verify_live(&self.anchors, ClockReading::given(now), max_age, DebugMode::Reject)
            .err()
    }

    fn rejection_when_stored(&self) -> Option<UntrustedDocument> {
        let document = UnverifiedDocument::parse(self.document.clone()).unwrap();
        document.verify_at_document_time(&self.anchors, DebugMode::Reject).err()
    }

    fn rejection(&self) -> Option<UntrustedDocument> {
        self.rejection_at(NOW, MaxAge::default())
    }
}

fn rejection(change: impl FnOnce(&mut DocumentBuilder)) -> Option<UntrustedDocument> {
    sign_with(change).rejection()
}

#[test]
fn accepts_the_unchanged_chain() {
    assert_eq!(rejection(|_| {}), None);
}

#[test]
fn rejects_chain_out_of_order_or_with_gaps_or_repeats() {
    use ChainPosition::{Cabundle, Leaf};
    use UntrustedDocument::{ChainOrder, RepeatedSubject};
    let builder = builder();
    let order = |order: &[usize]| rejection_of_order(&builder, order);
    let out_of_order = |certificate| Some(ChainOrder { certificate });
    assert_eq!(order(&[0, 1, 2, 3, LEAF]), None);
    assert_eq!(order(&[0, 1, 3, LEAF]), out_of_order(Cabundle(2)));
    assert_eq!(order(&[0, 1, 2, LEAF]), out_of_order(Leaf));
    let repeated = Some(RepeatedSubject { certificate: Cabundle(1) });
    assert_eq!(order(&[0, 0, 1, 2, 3, LEAF]), repeated);
    // An additional CA breaks a path length, which is checked before the order.
    assert!(matches!(
        order(&[0, 1, 2, 3, 3, LEAF]),
        Some(UntrustedDocument::PathLength { certificate: Cabundle(3), allowed: 0, below: 1 })
    ));
}

#[test]
fn rejects_root_that_is_not_an_anchor() {
    let mut signed = sign(&builder());
    signed.anchors = sign(&builder()).anchors;
    assert_eq!(signed.rejection(), Some(UntrustedDocument::UnknownRoot));
}

#[test]
fn rejects_certificate_not_signed_by_its_issuer() {
    for level in 1..=LEAF {
        let builder = builder();
        let mut certificates = builder.certificates().unwrap();
        let other_key = Key::generate().unwrap().0;
        let public_key = builder.key(level).unwrap().public_key();
        certificates[level] = builder.specs[level].issue(public_key, &other_key).unwrap();
        let signed = sign_over(&builder, &certificates);
        assert_eq!(signed.rejection(), Some(UntrustedDocument::ChainSignature));
    }
}

#[test]
fn rejects_chain_that_the_path_library_rejects() {
    let server_auth = der::object_identifier(&[0x2b, 6, 1, 5, 5, 7, 3, 1]);
    let ext_key_usage = Extension {
        oid: vec![0x55, 0x1d, 0x25],
        critical: false,
        value: der::sequence(&[&server_auth]),
    };
    for level in 1..=LEAF {
        let purpose = rejection(|f| f.specs[level].extensions.push(ext_key_usage.clone()));
        assert_eq!(purpose, Some(UntrustedDocument::InvalidChainPath), "{level}");
    }
}

#[test]
fn rejects_document_not_signed_by_the_leaf() {
    let builder = builder();
    let certificates = builder.certificates().unwrap();
    let cabundle: Vec<&[u8]> = certificates[..LEAF].iter().map(Vec::as_slice).collect();
    let payload = builder.document.payload(&certificates[LEAF], &cabundle);
    let other_key = Key::generate().unwrap().0;
    let document = sign_payload(&payload, &other_key).unwrap();
    let signed =
        SignedDocument { document, anchors: TrustAnchors::simulator_root(&certificates[0]) };
    assert_eq!(signed.rejection(), Some(UntrustedDocument::DocumentSignature));
}

#[test]
fn rejects_flipped_bit_in_payload_or_signature() {
    let good = sign(&builder());
    let nonce = good.document.windows(5).position(|w| w == b"nonce").unwrap();
    for offset in [nonce, good.document.len() - 1, good.document.len() - 96] {
        let mut signed = SignedDocument { document: good.document.clone(), ..good_anchors(&good) };
        signed.document[offset] ^= 1;
        assert_eq!(signed.rejection(), Some(UntrustedDocument::DocumentSignature), "{offset}");
    }
}

fn good_anchors(good: &SignedDocument) -> SignedDocument {
    let claims = UnverifiedDocument::parse(good.document.clone()).unwrap();
    let root = claims.dangerous_unverified_claims().cabundle().next().unwrap().to_vec();
    SignedDocument { document: Vec::new(), anchors: TrustAnchors::simulator_root(&root) }
}

#[test]
fn rejects_debug_mode_unless_allowed() {
    let mut builder = builder();
    for index in 0..3 {
        builder.document.pcrs.insert(index, [0; 48]);
    }
    let signed = sign(&builder);
    assert_eq!(signed.rejection(), Some(UntrustedDocument::DebugMode));
    let document = UnverifiedDocument::parse(signed.document).unwrap();
    let now = ClockReading::given(NOW);
    let allowed = document.verify_live(&signed.anchors, now, MaxAge::Chain, DebugMode::Allow);
    assert!(allowed.is_ok());
    builder.document.pcrs.insert(2, [1; 48]);
    assert_eq!(sign(&builder).rejection(), None);
}

#[test]
fn verifies_simulated_document_of_each_family_and_age() {
    let pki = SimulatedPki::new(Arc::new(|| NOW)).unwrap();
    let anchors = TrustAnchors::simulator_root(pki.root_certificate());
    for family in [PcrFamily::NitroEnclave, PcrFamily::NitroTpm] {
        for age_seconds in [0, 1, 100_000_000] {
            let pcrs = default_pcrs(family);
            let (public_key, user_data, nonce) = (None, Some(vec![]), Some(vec![1; 1024]));
            let request =
                DocumentRequest { family, pcrs, public_key, user_data, nonce, age_seconds };
            let document_bytes = pki.document(request).unwrap();
            let document = UnverifiedDocument::parse(document_bytes.clone()).unwrap();
            let verified = document.verify_at_document_time(&anchors, DebugMode::Reject).unwrap();
            let claims = verified.claims();
            assert_eq!(claims.pcrs().family(), family);
            assert_eq!(claims.timestamp(), NOW.minus_secs(age_seconds));
            assert_eq!((claims.user_data(), claims.public_key()), (Some(&[][..]), None));
            assert_eq!(claims.nonce(), Some(&[1; 1024][..]));
            assert_eq!(claims.module_id(), pki.module_id(family));
            assert_eq!(
                Some(claims.signature()),
                document_bytes.last_chunk().map(|s: &[u8; 96]| &s[..])
            );
            assert_eq!(verified.recipient_key().unwrap_err(), RecipientKeyError::Absent);
        }
    }
}
