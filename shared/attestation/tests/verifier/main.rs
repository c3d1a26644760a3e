//! Tests of the caches: stored entries, saved signature verifications, and the checks that a hit does not skip.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a panic fails the test")]

mod rechecks;

use std::sync::{Arc, Barrier};
use std::thread;

use attestation::crypto::OperationCounts;
use attestation::time::UnixMillis;
use attestation::{
    CacheHit, CacheSizes, ChainPosition, ClockReading, DebugMode, MaxAge, RecipientKeyError,
    Simulated, TrustAnchors, UntrustedDocument, UnverifiedDocument, VerificationTime, Verifier,
};
use simulator::{CertificateSpec, DocumentBuilder, Extension, default_pcrs};

const NOW: UnixMillis = UnixMillis::from_secs(1_800_000_000);
/// The index of the leaf below four CAs.
const LEAF: usize = 4;
const MANY: CacheSizes = CacheSizes { chains: 100, leaves: 100, documents: 100 };

/// A chain with fixed bytes, which issues leaves and documents.
struct Issuer {
    builder: DocumentBuilder,
    certificates: Vec<Vec<u8>>,
}

impl Issuer {
    fn new() -> Self {
        Self::new_with(DocumentBuilder::new(LEAF, NOW).unwrap())
    }

    fn new_with(builder: DocumentBuilder) -> Self {
        let certificates = builder.certificates().unwrap();
        Self { builder, certificates }
    }

    /// Returns an issuer with another leaf below the same CAs.
    fn with_leaf(&self, change: impl FnOnce(&mut CertificateSpec)) -> Self {
        let mut spec = self.builder.specs[LEAF].clone();
        change(&mut spec);
        let key = |level| self.builder.key(level).unwrap();
        let leaf = spec.issue(key(LEAF).public_key(), key(LEAF - 1)).unwrap();
        let mut certificates = self.certificates.clone();
        certificates[LEAF] = leaf;
        Self { builder: self.builder.clone(), certificates }
    }

    fn another_leaf(&self) -> Self {
        self.with_leaf(|spec| spec.not_before = spec.not_before.plus_secs(1))
    }

    fn document(&self, nonce: u8) -> Vec<u8> {
        self.document_of(|builder| builder.document.nonce = Some(vec![nonce]))
    }

    fn document_of(&self, change: impl FnOnce(&mut DocumentBuilder)) -> Vec<u8> {
        let mut builder = self.builder.clone();
        change(&mut builder);
        let chain: Vec<&[u8]> = self.certificates.iter().map(Vec::as_slice).collect();
        builder.sign_over(&chain).unwrap()
    }

    fn verifier(&self, sizes: CacheSizes) -> Verifier<Simulated> {
        Verifier::new(TrustAnchors::simulator_root(&self.certificates[0]), sizes)
    }
}

type VerifyResult = Result<(), UntrustedDocument>;

/// Returns the verification time of a document that was signed at `NOW`.
fn at(time: UnixMillis) -> VerificationTime {
    VerificationTime { reading: ClockReading::enclave(time), signed_at: NOW }
}

fn verify_at(verifier: &Verifier<Simulated>, document: &[u8], now: UnixMillis) -> VerifyResult {
    let document = UnverifiedDocument::parse(document.to_vec()).unwrap();
    let now = ClockReading::enclave(now);
    verifier.verify_live(document, now, MaxAge::default(), DebugMode::Reject).map(drop)
}

fn verify(verifier: &Verifier<Simulated>, document: &[u8]) -> VerifyResult {
    verify_at(verifier, document, NOW)
}

/// Returns the number of signatures that the verification of a valid document verifies.
fn cost(verifier: &Verifier<Simulated>, document: &[u8]) -> u64 {
    let (result, operations) = OperationCounts::measure(|| verify(verifier, document));
    assert_eq!(result, Ok(()));
    operations.signature_verifications
}

#[test]
fn verifies_each_signature_once() {
    let issuer = Issuer::new();
    let verifier = issuer.verifier(MANY);
    let first = issuer.document(1);
    assert_eq!(cost(&verifier, &first), 5);
    assert_eq!(cost(&verifier, &first), 0);
    assert_eq!(cost(&verifier, &issuer.document(2)), 1);
    let other = issuer.another_leaf();
    assert_eq!(cost(&verifier, &other.document(3)), 2);
    assert_eq!(cost(&verifier, &other.document(4)), 1);
    assert_eq!(CacheHit::ALL.map(|hit| verifier.verified_count(hit)), [1, 1, 2, 1]);
}

#[test]
fn caches_each_kind_by_itself_and_nothing_at_size_0() {
    let issuer = Issuer::new();
    let costs = |sizes| {
        let verifier = issuer.verifier(sizes);
        let first = issuer.document(1);
        let documents = [&first, &first, &issuer.document(2), &issuer.another_leaf().document(3)];
        documents.map(|document| cost(&verifier, document))
    };
    let CacheSizes { chains, leaves, documents } = MANY;
    assert_eq!(costs(CacheSizes::NONE), [5, 5, 5, 5]);
    assert_eq!(costs(CacheSizes { chains, ..CacheSizes::NONE }), [5, 2, 2, 2]);
    assert_eq!(costs(CacheSizes { leaves, ..CacheSizes::NONE }), [5, 1, 1, 5]);
    assert_eq!(costs(CacheSizes { documents, ..CacheSizes::NONE }), [5, 0, 5, 5]);
}

#[test]
fn evicts_entries_beyond_the_capacity() {
    let issuer = Issuer::new();
    let verifier = issuer.verifier(CacheSizes { documents: 2, ..MANY });
    let documents: Vec<_> = (0..20).map(|nonce| issuer.document(nonce)).collect();
    documents.iter().for_each(|document| verify(&verifier, document).unwrap());
    let cached = documents.iter().filter(|document| cost(&verifier, document) == 0).count();
    assert!(cached <= 2, "{cached}");
}

#[test]
fn does_not_cache_rejected_documents() {
    let issuer = Issuer::new();
    let verifier = issuer.verifier(MANY);
    let mut bad_signature = issuer.document(1);
    let last = bad_signature.len() - 1;
    bad_signature[last] ^= 1;
    let mut bad_leaf = issuer.another_leaf();
    let last = bad_leaf.certificates[LEAF].len() - 1;
    bad_leaf.certificates[LEAF][last] ^= 1;
    let bad_leaf = bad_leaf.document(2);
    for (document, error, costs) in [
        // rustls-webpki verifies the signatures from the root down, so the leaf's signature comes last.
        (&bad_leaf, UntrustedDocument::ChainSignature, [4, 4]),
        (&bad_signature, UntrustedDocument::DocumentSignature, [5, 1]),
        (&bad_leaf, UntrustedDocument::ChainSignature, [1, 1]),
    ] {
        for cost in costs {
            let (result, operations) = OperationCounts::measure(|| verify(&verifier, document));
            assert_eq!(result.as_ref(), Err(&error));
            assert!(operations.signature_verifications <= cost, "{operations:?} {cost}");
            assert!(operations.signature_verifications > 0, "{error:?} was cached");
        }
    }
    assert_eq!(CacheHit::ALL.map(|hit| verifier.verified_count(hit)), [0; 4]);
    assert_eq!(cost(&verifier, &issuer.document(1)), 1);
}

#[test]
fn one_changed_bit_misses_the_cache() {
    let issuer = Issuer::new();
    let verifier = issuer.verifier(MANY);
    let document = issuer.document(1);
    verify(&verifier, &document).unwrap();
    // The tag is not signed: the claims and the signature are equal, but the bytes differ.
    let tagged = [&[0xd2], &document[..]].concat();
    assert_eq!(cost(&verifier, &tagged), 1);
    // The loop flips the last bit of each certificate's signature.
    for level in 1..=LEAF {
        let mut changed =
            Issuer { builder: issuer.builder.clone(), certificates: issuer.certificates.clone() };
        let last = changed.certificates[level].len() - 1;
        changed.certificates[level][last] ^= 1;
        let rejected = Err(UntrustedDocument::ChainSignature);
        assert_eq!(verify(&verifier, &changed.document(1)), rejected, "{level}");
    }
}

#[test]
fn other_chain_of_the_same_names_and_root_misses_the_cache() {
    let issuer = Issuer::new();
    let verifier = issuer.verifier(MANY);
    verify(&verifier, &issuer.document(1)).unwrap();
    let again = Issuer::new_with(issuer.builder.clone());
    assert_eq!(again.certificates[0], issuer.certificates[0]);
    assert_eq!(cost(&verifier, &again.document(1)), 5);
}

#[test]
fn rejects_cached_certificates_under_another_root() {
    let issuer = Issuer::new();
    let other = Issuer::new().certificates.swap_remove(0);
    let pem = rsa::pkcs8::der::pem::encode_string("CERTIFICATE", Default::default(), &other);
    let mut anchors = TrustAnchors::simulator_root(&issuer.certificates[0]);
    anchors.add_pem(pem.unwrap().as_bytes()).unwrap();
    let verifier = Verifier::new(anchors, MANY);
    verify(&verifier, &issuer.document(1)).unwrap();
    let mut changed_root = issuer;
    changed_root.certificates[0] = other;
    let rejected = Err(UntrustedDocument::ChainSignature);
    assert_eq!(verify(&verifier, &changed_root.document(2)), rejected);
    assert_eq!(verify(&verifier, &changed_root.another_leaf().document(3)), rejected);
}

#[test]
fn verifies_chain_with_name_constraints_for_each_leaf() {
    let mut builder = DocumentBuilder::new(LEAF, NOW).unwrap();
    // permittedSubtrees of one dNSName, which does not apply to a leaf without dNSNames.
    let value = b"\x30\x0d\xa0\x0b\x30\x09\x82\x07example".to_vec();
    let constraints = Extension { oid: vec![0x55, 0x1d, 30], critical: false, value };
    builder.specs[1].extensions.push(constraints);
    let issuer = Issuer::new_with(builder);
    let verifier = issuer.verifier(MANY);
    assert_eq!(cost(&verifier, &issuer.document(1)), 5);
    assert_eq!(cost(&verifier, &issuer.document(2)), 1);
    assert_eq!(cost(&verifier, &issuer.another_leaf().document(3)), 5);
    // subjectAltName with another dNSName, which violates the constraint.
    let value = b"\x30\x07\x82\x05other".to_vec();
    let name = Extension { oid: vec![0x55, 0x1d, 17], critical: false, value };
    let named = issuer.with_leaf(|spec| spec.extensions.push(name));
    assert_eq!(verify(&verifier, &named.document(4)), Err(UntrustedDocument::InvalidChainPath));
}

#[test]
fn accepts_leaf_after_another_was_rejected_with_the_same_chain() {
    let issuer = Issuer::new();
    let verifier = issuer.verifier(MANY);
    verifier.insert_rejected_chain(&issuer.certificates[..LEAF], UntrustedDocument::ChainSignature);
    assert_eq!(cost(&verifier, &issuer.document(1)), 5);
    assert_eq!(cost(&verifier, &issuer.another_leaf().document(2)), 2);
}

/// Returns the total number of verified signatures if each document is verified on its own thread at once.
fn concurrent_cost(verifier: &Arc<Verifier<Simulated>>, documents: Vec<Vec<u8>>) -> u64 {
    let barrier = Arc::new(Barrier::new(documents.len()));
    let threads: Vec<_> = documents
        .into_iter()
        .map(|document| {
            let (verifier, barrier) = (Arc::clone(verifier), Arc::clone(&barrier));
            thread::spawn(move || {
                barrier.wait();
                cost(&verifier, &document)
            })
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).sum()
}

#[test]
fn concurrent_first_documents_verify_once() {
    for _ in 0..8 {
        let issuer = Issuer::new();
        let verifier = Arc::new(issuer.verifier(MANY));
        assert_eq!(concurrent_cost(&verifier, vec![issuer.document(1); 8]), 5);
        let verifier = Arc::new(issuer.verifier(MANY));
        let documents = (0..8).map(|nonce| issuer.document(nonce)).collect();
        assert_eq!(concurrent_cost(&verifier, documents), 4 + 8);
        let verifier = Arc::new(issuer.verifier(MANY));
        let leaf = |shift| issuer.with_leaf(|spec| spec.not_before = NOW.minus_secs(shift));
        let documents = (1..=8).map(|shift| leaf(shift).document(1)).collect();
        assert_eq!(concurrent_cost(&verifier, documents), 3 + 8 * 2);
    }
}
