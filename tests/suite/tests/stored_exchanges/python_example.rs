//! Runs `docs/examples/verify_receipt.py`, an independent verifier, on the same files as the command.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use attested_recipient::StoredExchange;

use crate::enclave::{CONTENT, Enclave, NONCE, RECIPIENT, measurements_json, run};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/examples/verify_receipt.py");

/// Returns the Python interpreter that `tests/suite/clients/setup.sh` installs.
pub(crate) fn python() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let setup = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/setup.sh");
    let is_up_to_date =
        Command::new(setup).arg("--check").env("CARGO_TARGET_DIR", target).status().unwrap();
    assert!(is_up_to_date.success(), "run make test, or tests/suite/clients/setup.sh");
    target.join("clients/venv/bin/python3")
}

/// Runs the example for an exchange of `enclave`.
fn example(enclave: &Enclave, exchange: &StoredExchange, more: &[&str]) -> Output {
    let file = enclave.file("exchange.json", &*exchange.to_json());
    let mut command = Command::new(python());
    command.args(["-I", EXAMPLE, &file, &enclave.root()]);
    let measurements = enclave.folder().join("expected.json");
    if !measurements.exists() {
        enclave.file("expected.json", measurements_json(&[]));
    }
    command.arg(measurements).args(more).output().unwrap()
}

#[track_caller]
fn assert_rejects(output: &Output, reason: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains(reason), "{reason}: {output:?}");
    assert_eq!((output.status.code(), &*output.stdout), (Some(1), &b""[..]), "{output:?}");
}

#[test]
fn example_accepts_exchange_and_disclosure() {
    let enclave = Enclave::start();
    let exchange = enclave.exchange(&enclave.sealed(), |_| ());
    let file = enclave.file("a.json", &*exchange.to_json());
    let disclosed = run(&["disclose", &file, "--key", RECIPIENT]);
    let key = enclave.file("content-key", disclosed.stdout);
    let output = example(&enclave, &exchange, &[&key]);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    let [receipt, content] = stdout.lines().collect::<Vec<_>>()[..] else { panic!("{output:?}") };
    assert!(receipt.contains("GenerateRandom 7 "), "{output:?}");
    assert!(receipt.ends_with(&const_hex::encode(NONCE)), "{output:?}");
    assert_eq!(content, const_hex::encode(CONTENT));
}

#[test]
fn example_rejects_changed_parts() {
    let enclave = Enclave::start();
    let exchange = enclave.exchange(&enclave.sealed(), |_| ());
    let change = |part: &[u8], position: usize| {
        let mut changed = part.to_vec();
        changed[position] ^= 1;
        changed
    };
    let with = |request: &[u8], response: &[u8], receipt: &str, document: &[u8]| {
        let (request, response) = (request.to_vec(), response.to_vec());
        StoredExchange::new(request, response, receipt.to_owned(), document.to_vec()).unwrap()
    };
    let (request, response) = (exchange.request(), exchange.response());
    let (receipt, document) = (exchange.receipt(), exchange.document());
    let changed = with(&change(request, 5), response, receipt, document);
    assert_rejects(&example(&enclave, &changed, &[]), "8: the receipt is of another request");
    let changed = with(request, &change(response, 5), receipt, document);
    assert_rejects(&example(&enclave, &changed, &[]), "8: the receipt is of another response");
    // The last byte of the document is one of its signature.
    let changed = with(request, response, receipt, &change(document, document.len() - 1));
    assert_rejects(&example(&enclave, &changed, &[]), "InvalidSignature");
    let other = Enclave::start();
    let changed = with(request, response, receipt, &other.identity_document(0));
    assert_rejects(&example(&enclave, &changed, &[]), "VerificationError");
    assert_rejects(&example(&other, &changed, &[]), "3: the receipt is of another key");
    let other_receipt = other.exchange(&enclave.sealed(), |_| ());
    let mixed = with(request, response, other_receipt.receipt(), document);
    assert_rejects(&example(&enclave, &mixed, &[]), "3: the receipt is of another key");
}

#[test]
fn example_rejects_other_measurements_and_content_keys() {
    let enclave = Enclave::start();
    let exchange = enclave.exchange(&enclave.sealed(), |_| ());
    let key = enclave.file("content-key", "5a".repeat(32));
    let output = example(&enclave, &exchange, &[&key]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("this is not the content key"), "{output:?}");
    let other = measurements_json(&[("PCR16", &"17".repeat(48))]);
    enclave.file("expected.json", other);
    assert_rejects(&example(&enclave, &exchange, &[]), "5: PCR16 is another one");
    enclave.file("expected.json", format!(r#"{{"PCR8": "{}"}}"#, "08".repeat(48)));
    assert_rejects(&example(&enclave, &exchange, &[]), "5: the measurements need PCR0 and PCR16");
}
