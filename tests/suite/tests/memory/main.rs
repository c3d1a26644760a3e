//! Tests that measure the memory for a valid or hostile request. A test prints the measured memory
//! (`--nocapture`), and fails if it exceeds a bound.
//!
//! The measurement counts the allocations of Rust code on the thread of the test. It does not count
//! the allocations of AWS-LC. These have the size of a key or a signature, and do not depend on the
//! document.

#![expect(
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a panic fails the test"
)]

mod hostile_bodies;
mod hostile_documents;
mod policy_evaluation;
mod simulated_pki;

use std::convert::Infallible;

use allocation_counter::{AllocationInfo, measure};
use attestation::cms::{ContentEncryption, seal_into, sealed_length};
use attestation::crypto::PROVIDER;
use attestation::{MAX_DOCUMENT_LENGTH, MalformedDocument, RecipientKey, UntrustedDocument};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kms_api::{GenerateRandom, GenerateRandomResponse};
use transport::limits::SMALL_BODY_LENGTH;

use crate::simulated_pki::{DocumentError, TestPki};

/// Maximum memory for the parsing of any document, in bytes. It is enough for vectors of at most 5
/// certificates and 16 unknown fields, with 16 bytes per element. The parser copies no part of the
/// document.
const FORM_BOUND: usize = 1024;

/// Returns the maximum memory for the verification of a well-formed document, in bytes. The
/// verification decodes one certificate at a time and keeps little of each. Only the provider ring
/// needs a copy of the document, because ring verifies a contiguous message.
fn verification_bound(document_length: usize) -> usize {
    let copies = usize::from(PROVIDER == "ring");
    copies * document_length + 8 * 1024
}

/// Returns the maximum memory for a whole request with a document, in bytes. The parts are the
/// verification, the decoded document and the response. The verification does not await, so a
/// worker thread verifies at most one document at a time.
fn request_bound() -> usize {
    verification_bound(MAX_DOCUMENT_LENGTH) + MAX_DOCUMENT_LENGTH + 8 * 1024
}

fn peak(info: &AllocationInfo) -> usize {
    info.bytes_max.try_into().unwrap()
}

fn report(case: &str, length: usize, info: &AllocationInfo) {
    let (peak, total) = (info.bytes_max, info.bytes_total);
    println!("{case}: {length} bytes; peak {peak}, total {total} in {}", info.count_total);
}

/// Verifies a document. Returns the result and the allocations, without the document itself.
fn verify(pki: &TestPki, document: &[u8]) -> (Result<(), DocumentError>, AllocationInfo) {
    let owned = document.to_vec();
    let mut outcome = None;
    let info = measure(|| outcome = Some(pki.verify(owned).map(drop)));
    (outcome.unwrap(), info)
}

#[test]
fn a24_claimed_length_allocates_nothing() {
    let pki = TestPki::new();
    for (place, document) in hostile_documents::claimed_lengths() {
        let (outcome, info) = verify(&pki, &document);
        report(&place, document.len(), &info);
        assert!(matches!(outcome, Err(DocumentError::Malformed(_))), "{place}: {outcome:?}");
        assert!(peak(&info) <= FORM_BOUND, "{place}: {info:?}");
        assert!(info.bytes_total <= 2 * info.bytes_max, "{place}: {info:?}");
    }
}

#[test]
fn malformed_document_stays_within_form_bound() {
    let pki = TestPki::new();
    for (name, document) in hostile_documents::malformed(&pki) {
        let (outcome, info) = verify(&pki, &document);
        report(name, document.len(), &info);
        assert!(matches!(outcome, Err(DocumentError::Malformed(_))), "{name}: {outcome:?}");
        assert!(peak(&info) <= FORM_BOUND, "{name}: {info:?}");
    }
    let (outcome, info) = verify(&pki, &vec![0; 262_144]);
    report("the API's longest document", 262_144, &info);
    let too_long = MalformedDocument::TooLong { length: 262_144 };
    assert_eq!(outcome, Err(DocumentError::Malformed(too_long)));
    assert_eq!(info.bytes_total, 0);
}

#[test]
fn well_formed_document_stays_within_verification_bound() {
    let pki = TestPki::new();
    for (name, document, expected) in hostile_documents::well_formed(&pki) {
        assert!(document.len() <= MAX_DOCUMENT_LENGTH, "{name}: {}", document.len());
        let (outcome, info) = verify(&pki, &document);
        report(name, document.len(), &info);
        assert_eq!(outcome.err(), expected.clone().map(DocumentError::Untrusted), "{name}");
        assert!(peak(&info) <= verification_bound(document.len()), "{name}: {info:?}");
    }
}

fn sealed_response(key: &RecipientKey, content: &[u8], encryption: ContentEncryption) -> Vec<u8> {
    let length = sealed_length(key, content.len()).unwrap();
    GenerateRandomResponse::ciphertext_for_recipient(length, |envelope| {
        seal_into(key, content, encryption, envelope)
    })
    .unwrap()
}

/// Parses, verifies, seals and encodes the response, as the service does.
fn respond(pki: &TestPki, body: &[u8]) -> Result<Vec<u8>, DocumentError> {
    let request = GenerateRandom::parse(body).unwrap();
    let document = pki.verify(request.attestation_document.unwrap())?;
    let content = vec![7; request.number_of_bytes.get()];
    let encryption = ContentEncryption::draw(|part| {
        part.fill(7);
        Ok::<_, Infallible>(())
    });
    let key = document.recipient_key().unwrap();
    Ok(sealed_response(&key, &content, encryption.unwrap()))
}

#[test]
fn whole_request_stays_within_its_bound() {
    let pki = TestPki::new();
    let signature = Some(UntrustedDocument::DocumentSignature);
    let mut documents = hostile_documents::well_formed(&pki);
    documents.push(("a typical document", pki.typical_document(), None));
    assert!(documents.iter().any(|(_, _, expected)| *expected == signature));
    for (name, document, expected) in documents {
        let body = hostile_bodies::request(&STANDARD.encode(&document));
        assert!(body.len() <= SMALL_BODY_LENGTH);
        let mut outcome = None;
        let info = measure(|| outcome = Some(respond(&pki, &body)));
        report(&format!("request with {name}"), body.len(), &info);
        assert_eq!(outcome.unwrap().err(), expected.map(DocumentError::Untrusted), "{name}");
        assert!(peak(&info) <= request_bound(), "{name}: {info:?}");
    }
}

#[test]
fn parsing_any_body_takes_at_most_four_times_its_length() {
    for (name, body) in hostile_bodies::hostile() {
        let mut parsed = None;
        let info = measure(|| parsed = Some(GenerateRandom::parse(&body)));
        report(name, body.len(), &info);
        assert!(peak(&info) <= 4 * body.len(), "{name}: {info:?}");
    }
}

#[test]
fn response_is_one_allocation_of_its_length() {
    let pki = TestPki::new();
    let document = pki.verify(pki.typical_document()).unwrap();
    let key = document.recipient_key().unwrap();
    for number_of_bytes in [1, 32, 1024] {
        let content = vec![7; number_of_bytes];
        let encryption = ContentEncryption::draw(|_| Ok::<_, Infallible>(())).unwrap();
        let mut body = Vec::new();
        let info = measure(|| body = sealed_response(&key, &content, encryption));
        report("a sealed response", number_of_bytes, &info);
        assert_eq!(body.capacity(), body.len());
        let beside = info.bytes_total - u64::try_from(body.len()).unwrap();
        // The content key of AWS-LC is not counted. The RSA code in Rust allocates its numbers.
        assert!(PROVIDER == "ring" || beside == 32, "{info:?}");
        let mut body = Vec::new();
        let info = measure(|| body = GenerateRandomResponse::plaintext(&content));
        assert_eq!((info.count_total, info.bytes_total), (1, body.len().try_into().unwrap()));
    }
}
