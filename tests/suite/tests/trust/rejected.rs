//! Tests of enclaves that `trust` must reject.

use std::fs;
use std::sync::OnceLock;

use attested_recipient::{Document, Kind, Simulator};

use crate::enclave::{Enclave, authority, now, pcr0, serve};
use crate::tls_terminator::TlsTerminator;
use crate::trust_command::{trust, trust_with_root};
use crate::vectors::vectors;

/// Asserts the failure of `trust` for an enclave with a changed document.
fn assert_trust_fails(change: fn(&mut Document), status: i32, message: &str) {
    let enclave = Enclave::with_document(change);
    trust_with_root(&enclave.url(), &enclave, &[]).assert_fails(status, message);
    // The same rules apply with --simulator.
    let outcome = trust(&[&enclave.url(), "--simulator", "--pcr", &pcr0()]);
    outcome.assert_fails(status, message);
}

#[test]
fn rejects_other_measurement() {
    assert_trust_fails(
        |document| {
            document.pcrs.insert(0, [0xa6; 48]);
        },
        14,
        &format!("PCR0 is {}, not {}", "a6".repeat(48), "a5".repeat(48)),
    );
    let enclave = Enclave::start();
    let absent = format!("31={}", "01".repeat(48));
    let outcome = trust_with_root(&enclave.url(), &enclave, &["--pcr", &absent]);
    outcome.assert_fails(14, "PCR31 is absent, not 01");
}

#[test]
fn rejects_nitro_tpm_instance() {
    assert_trust_fails(
        |document| document.kind = Kind::NitroTpm,
        14,
        "a NitroTPM, not from an enclave",
    );
}

#[test]
fn rejects_document_for_other_nonce() {
    static EARLIER_DOCUMENT: OnceLock<Vec<u8>> = OnceLock::new();
    assert_trust_fails(
        |document| {
            let nonce = document.nonce.clone().unwrap();
            document.nonce = Some(
                EARLIER_DOCUMENT.get_or_init(|| [&nonce[..31], &[!nonce[31]]].concat()).clone(),
            );
        },
        13,
        "an old document was replayed",
    );
    assert_trust_fails(|document| document.nonce = None, 13, "an old document was replayed");
    assert_trust_fails(
        |document| document.nonce.as_mut().unwrap().push(0),
        13,
        "an old document was replayed",
    );
}

#[test]
fn rejects_stale_document() {
    assert_trust_fails(
        |document| document.age_seconds = 600,
        13,
        "is not current: the document is too old",
    );
    assert_trust_fails(
        |document| document.age_seconds = 600,
        13,
        "; this machine's clock shows 20",
    );
    // The certificates have expired.
    assert_trust_fails(|document| document.age_seconds = 86_400, 13, "is not current: ");
    assert_trust_fails(
        |document| document.age_seconds = 86_400,
        13,
        "; the document was signed at 20",
    );
}

#[test]
fn rejects_debug_mode() {
    let change: fn(&mut Document) = |document| {
        document.debug = true;
        document.pcrs.clear();
    };
    assert_trust_fails(change, 12, "the enclave runs in debug mode");
    // The result is the same without an expected measurement.
    let outcome = trust(&[&Enclave::with_document(change).url(), "--simulator"]);
    outcome.assert_fails(12, "the enclave runs in debug mode");
}

#[test]
fn rejects_simulator_without_simulator_option() {
    let enclave = Enclave::start();
    let outcome = trust(&[&enclave.url(), "--pcr", &pcr0()]);
    outcome.assert_fails(11, "this is a simulator, which signs any document");
}

#[test]
fn rejects_simulator_whose_root_is_given() {
    let (enclave, other) = (Enclave::start(), Enclave::start());
    for root in [enclave.root(), other.root()] {
        let outcome = trust(&[&enclave.url(), "--root", &root, "--pcr", &pcr0()]);
        outcome.assert_fails(11, "this is a simulator");
    }
}

#[test]
fn rejects_tampered_document() {
    // The last byte belongs to the signature.
    let enclave = Enclave::with_tampered_document(|document| *document.last_mut().unwrap() ^= 1);
    let message = "the attestation document does not verify: the document's signature does not";
    trust_with_root(&enclave.url(), &enclave, &[]).assert_fails(10, message);
    let outcome = trust(&[&enclave.url(), "--simulator", "--pcr", &pcr0()]);
    outcome.assert_fails(10, message);
}

#[test]
fn rejects_document_under_unknown_root() {
    // The root's name is changed everywhere, so that the chain is consistent but ends in an unknown
    // root.
    let enclave = Enclave::with_tampered_document(|document| {
        let name = b"NITRO SIMULATOR ROOT - DO NOT TRUST";
        while let Some(at) = document.windows(name.len()).position(|window| window == name) {
            document[at] = b'n';
        }
    });
    let message = "the attestation document does not verify: cabundle[0] is not a trust anchor";
    trust_with_root(&enclave.url(), &enclave, &[]).assert_fails(10, message);
    let outcome = trust(&[&enclave.url(), "--simulator", "--pcr", &pcr0()]);
    outcome.assert_fails(10, message);
}

/// Uses a document under AWS's own root.
#[test]
fn rejects_expired_genuine_document() {
    let Some(vectors) = vectors("trust at a genuine document") else { return };
    let document = fs::read(vectors.join("attdocs/anjuna_2021_prod_rsa2048.bin")).unwrap();
    let plain = serve(move |_| Some(document.clone()));
    let certified = authority(&["127.0.0.1"]).issue(now()).unwrap().certified;
    let terminator = TlsTerminator::start(certified, plain);
    let outcome = trust(&[&terminator.url(), "--pcr", &pcr0()]);
    outcome.assert_fails(13, " expired at 2021-");
}

#[test]
fn rejects_document_that_attests_no_authority() {
    let no_user_data = "attests no TLS authority: the document has no user_data";
    assert_trust_fails(|document| document.user_data = None, 15, no_user_data);
    let version_1 = |document: &mut Document| {
        let text = format!("attested-random tls-ca/1 sha256:{}", "ab".repeat(32));
        document.user_data = Some(text.into_bytes());
    };
    assert_trust_fails(
        version_1,
        15,
        "identity: user_data has version 1, which has no receipt key",
    );
    let purpose = "the purpose in user_data is not \"identity\"";
    assert_trust_fails(|document| change(document, " identity ", " config "), 15, purpose);
    let format = "user_data does not begin with \"attested-random/2 \"";
    assert_trust_fails(|document| change(document, "/2", "/3"), 15, format);
    let malformed = "part 5 of user_data is unknown, malformed, repeated or out of order";
    assert_trust_fails(|document| document.user_data.as_mut().unwrap().push(b'0'), 15, malformed);
    let no_tls_ca = "attests no TLS authority: user_data has no tls-ca: [tls] mode is \"off\"";
    let without_tls_ca = |document: &mut Document| {
        let text = text(document);
        let (start, _) = text.split_once(" tls-ca").unwrap();
        document.user_data = Some(start.into());
    };
    assert_trust_fails(without_tls_ca, 15, no_tls_ca);
}

/// Replaces `old` by `new` in the document's `user_data`.
fn change(document: &mut Document, old: &str, new: &str) {
    let changed = text(document).replace(old, new);
    assert_ne!(changed, text(document));
    document.user_data = Some(changed.into_bytes());
}

fn text(document: &Document) -> String {
    String::from_utf8(document.user_data.clone().unwrap()).unwrap()
}

/// Uses the service behind TLS that terminates outside of it.
#[test]
fn rejects_service_behind_external_tls() {
    let simulator = Simulator::start().unwrap();
    let certified = authority(&["127.0.0.1"]).issue(now()).unwrap().certified;
    let terminator = TlsTerminator::start(certified, simulator.address());
    let outcome = trust(&[&terminator.url(), "--simulator"]);
    outcome.assert_fails(15, "user_data has no tls-ca: [tls] mode is \"off\"");
}
