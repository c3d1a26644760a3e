//! Enclaves that are not what was asked for.

use std::fs;
use std::sync::OnceLock;

use attested_recipient::{Document, Kind, Simulator};

use crate::enclave::{Enclave, authority, now, pcr0, serve};
use crate::tls_terminator::Terminator;
use crate::trust_command::{trust, trust_at};
use crate::vectors::vectors;

/// What `trust` says of an enclave with a changed document.
fn refusal_of(change: fn(&mut Document), status: i32, message: &str) {
    let enclave = Enclave::saying(change);
    trust_at(&enclave.url(), &enclave, &[]).assert_refused(status, message);
    // A simulator is admitted, but to the same rules.
    let outcome = trust(&[&enclave.url(), "--simulator", "--pcr", &pcr0()]);
    outcome.assert_refused(status, message);
}

#[test]
fn rejects_other_measurement() {
    refusal_of(
        |document| {
            document.pcrs.insert(0, [0xa6; 48]);
        },
        14,
        &format!("PCR0 is {}, not {}", "a6".repeat(48), "a5".repeat(48)),
    );
    let enclave = Enclave::start();
    let absent = format!("31={}", "01".repeat(48));
    let outcome = trust_at(&enclave.url(), &enclave, &["--pcr", &absent]);
    outcome.assert_refused(14, "PCR31 is absent, not 01");
}

#[test]
fn rejects_nitro_tpm_instance() {
    refusal_of(|document| document.kind = Kind::NitroTpm, 14, "a NitroTPM, and no enclave");
}

#[test]
fn rejects_document_for_other_nonce() {
    static FIRST: OnceLock<Vec<u8>> = OnceLock::new();
    refusal_of(
        |document| {
            let nonce = document.nonce.clone().unwrap();
            document.nonce =
                Some(FIRST.get_or_init(|| [&nonce[..31], &[!nonce[31]]].concat()).clone());
        },
        13,
        "somebody replays an old one",
    );
    refusal_of(|document| document.nonce = None, 13, "somebody replays an old one");
    refusal_of(
        |document| document.nonce.as_mut().unwrap().push(0),
        13,
        "somebody replays an old one",
    );
}

#[test]
fn rejects_stale_document() {
    refusal_of(|document| document.age_seconds = 600, 13, "is not of now: the document is too old");
    refusal_of(|document| document.age_seconds = 600, 13, "; this machine's clock says 20");
    // Its certificates are no longer valid.
    refusal_of(|document| document.age_seconds = 86_400, 13, "is not of now: ");
    refusal_of(|document| document.age_seconds = 86_400, 13, "; the document was signed at 20");
}

#[test]
fn rejects_debug_mode() {
    let change: fn(&mut Document) = |document| {
        document.debug = true;
        document.pcrs.clear();
    };
    refusal_of(change, 12, "the enclave runs in debug mode");
    // Nor without an expectation that it breaks.
    let outcome = trust(&[&Enclave::saying(change).url(), "--simulator"]);
    outcome.assert_refused(12, "the enclave runs in debug mode");
}

#[test]
fn rejects_simulator_without_simulator_option() {
    let enclave = Enclave::start();
    let outcome = trust(&[&enclave.url(), "--pcr", &pcr0()]);
    outcome.assert_refused(11, "this is a simulator, which signs what anybody asks for");
}

#[test]
fn rejects_simulator_whose_root_is_given() {
    let (enclave, other) = (Enclave::start(), Enclave::start());
    for root in [enclave.root(), other.root()] {
        let outcome = trust(&[&enclave.url(), "--root", &root, "--pcr", &pcr0()]);
        outcome.assert_refused(11, "this is a simulator");
    }
}

#[test]
fn rejects_tampered_document() {
    // The last byte is the signature's.
    let enclave = Enclave::tampering(|document| *document.last_mut().unwrap() ^= 1);
    let message = "the attestation document does not verify: the document's signature does not";
    trust_at(&enclave.url(), &enclave, &[]).assert_refused(10, message);
    let outcome = trust(&[&enclave.url(), "--simulator", "--pcr", &pcr0()]);
    outcome.assert_refused(10, message);
}

#[test]
fn rejects_document_under_unknown_root() {
    // Renamed everywhere, the chain is in order, and ends in a root that nobody knows.
    let enclave = Enclave::tampering(|document| {
        let name = b"NITRO SIMULATOR ROOT - DO NOT TRUST";
        while let Some(at) = document.windows(name.len()).position(|window| window == name) {
            document[at] = b'n';
        }
    });
    let message = "the attestation document does not verify: cabundle[0] is not a trust anchor";
    trust_at(&enclave.url(), &enclave, &[]).assert_refused(10, message);
    let outcome = trust(&[&enclave.url(), "--simulator", "--pcr", &pcr0()]);
    outcome.assert_refused(10, message);
}

/// Under AWS's own root.
#[test]
fn rejects_expired_genuine_document() {
    let Some(vectors) = vectors("trust at a genuine document") else { return };
    let document = fs::read(vectors.join("attdocs/anjuna_2021_prod_rsa2048.bin")).unwrap();
    let plain = serve(move |_| Some(document.clone()));
    let certified = authority(&["127.0.0.1"]).issue(now()).unwrap().certified;
    let terminator = Terminator::start(certified, plain);
    let outcome = trust(&[&terminator.url(), "--pcr", &pcr0()]);
    outcome.assert_refused(13, " expired at 2021-");
}

#[test]
fn rejects_missing_or_malformed_ca_binding() {
    refusal_of(|document| document.user_data = None, 15, "(its document has no user_data)");
    refusal_of(
        |document| document.user_data = Some(b"attested-random tls-ca/2 sha256:00".to_vec()),
        15,
        "(user_data does not begin with \"attested-random tls-ca/1 sha256:\")",
    );
    refusal_of(
        |document| document.user_data.as_mut().unwrap().push(b'0'),
        15,
        "is not 64 lower-case hexadecimal digits",
    );
}

/// The service itself, behind TLS that ends outside.
#[test]
fn rejects_service_behind_external_tls() {
    let simulator = Simulator::start().unwrap();
    let certified = authority(&["127.0.0.1"]).issue(now()).unwrap().certified;
    let terminator = Terminator::start(certified, simulator.address());
    let outcome = trust(&[&terminator.url(), "--simulator"]);
    outcome.assert_refused(15, "(its document has no user_data)");
}
