//! Differential tests. Other decoders must return the same claims for documents that our decoder
//! accepts. Other decryptors must decrypt the envelopes that the service encrypts.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic fails the test"
)]

mod cbor_items;
mod decoders;
mod decryptors;
mod generated_payloads;
#[path = "../../../../shared/attestation/tests/vectors/mod.rs"]
mod vectors;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use attestation::time::UnixMillis;
use attestation::{PcrFamily, UnverifiedDocument};
use simulator::{DocumentRequest, SimulatedPki, default_pcrs};

/// Compares all decoders on a document that our decoder accepts.
fn assert_decoders_agree(document: Vec<u8>) {
    let payload = payload(&document);
    let parsed = UnverifiedDocument::parse(document).unwrap();
    decoders::assert_agreement(&payload, parsed.dangerous_unverified_claims());
}

/// Returns the payload of a document, decoded by ciborium.
fn payload(document: &[u8]) -> Vec<u8> {
    let envelope: ciborium::Value = ciborium::from_reader(document).unwrap();
    let envelope = match envelope {
        ciborium::Value::Tag(18, inner) => *inner,
        other => other,
    };
    envelope.as_array().unwrap()[2].as_bytes().unwrap().clone()
}

#[test]
fn decoders_agree_on_every_aws_document() {
    let Some(vectors) = vectors::vectors("other decoders on real documents") else { return };
    let mut accepted = 0;
    for entry in fs::read_dir(vectors.join("attdocs")).unwrap() {
        let path = entry.unwrap().path();
        let is_document = path.extension().is_some_and(|extension| extension == "bin");
        // Our decoder rejects the envelope of this document: see the tests of invalid documents.
        let is_rejected = path.file_name() == Some(Path::new("nitrite_selfsigned.bin").as_os_str());
        if is_document && !is_rejected {
            assert_decoders_agree(fs::read(path).unwrap());
            accepted += 1;
        }
    }
    assert_eq!(accepted, 10);
}

#[test]
fn decoders_agree_on_simulated_documents() {
    let pki = SimulatedPki::new(Arc::new(|| UnixMillis::from_secs(1_800_000_000))).unwrap();
    for family in [PcrFamily::NitroEnclave, PcrFamily::NitroTpm] {
        for length in [None, Some(0), Some(1), Some(1024)] {
            let request = DocumentRequest {
                family,
                pcrs: default_pcrs(family),
                public_key: length.filter(|length| *length > 0).map(|length| vec![1; length]),
                user_data: length.map(|length| vec![2; length]),
                nonce: length.map(|length| vec![3; length]),
                age_seconds: 0,
            };
            assert_decoders_agree(pki.document(request).unwrap());
        }
    }
}
