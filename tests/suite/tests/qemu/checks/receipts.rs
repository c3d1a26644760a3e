//! Checks of receipts. The test reads the receipt key in the enclave's document by itself, because the
//! checklist rejects a document without a signature. `verify-receipt` uses the checklist.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ciborium::Value;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::service::{attestation, on_first};
use crate::clients::{Outcome, Sdk, TestKey};
use crate::configuration::{Configuration, IDENTITY};
use crate::enclave_document::EnclaveDocument;
use crate::guests::Guests;
use crate::kms_calls::generate_random;
use crate::receipt::Receipt;
use crate::virtual_machine::{VirtualMachine, setting};

const RECEIPT_HEADER: &str = "x-attested-random-receipt";

pub(super) fn verify(guests: &Guests) {
    on_first(guests, |machine| {
        let document = attestation(machine, "");
        assert_eq!(document.signature, [0; 64]);
        let receipt_key = document.identity().receipt_key;
        let [plain, sealed, stores] = &exchanges(guests, machine)[..] else { panic!() };
        for (outcome, operation, source) in [
            (plain, "GenerateRandom", Some("nsm")),
            (sealed, "GenerateRandom", Some("nsm")),
            (stores, "DescribeCustomKeyStores", None),
        ] {
            let receipt = receipt(outcome);
            receipt.verify(&receipt_key);
            assert_covers(&receipt, outcome);
            assert_eq!(receipt.member("op"), Some(operation.into()));
            assert_eq!(receipt.member("src"), source.map(Value::from));
        }
        let has_digest = [plain, sealed].map(|outcome| receipt(outcome).member("cek").is_some());
        assert_eq!(has_digest, [false, true]);
        guests.keep([plain.only_blob("Plaintext"), sealed.only_blob("CiphertextForRecipient")]);
        for outcome in [plain, sealed, stores] {
            assert_document_is_rejected(outcome, &document, guests.configuration());
        }
    });
}

/// Makes a plain call, a sealed call and a call without random bytes.
fn exchanges(guests: &Guests, machine: &VirtualMachine) -> Vec<Outcome> {
    let public_key = TestKey::of_bits(2048).document().public_key.unwrap();
    let document = guests.configuration().document(public_key);
    let calls = [
        generate_random(32, None),
        generate_random(32, Some(&document)),
        json!({ "operation": "DescribeCustomKeyStores", "parameters": {} }),
    ];
    Sdk::Boto3WithNonces.call_as(&IDENTITY, &*machine.service().url(), &calls)
}

fn receipt(outcome: &Outcome) -> Receipt {
    assert_eq!(outcome.statuses(), [200], "{outcome:?}");
    Receipt::read(&outcome.responses[0].headers[RECEIPT_HEADER])
}

/// Asserts that the receipt covers the request and the response.
fn assert_covers(receipt: &Receipt, outcome: &Outcome) {
    let response = &outcome.responses[0];
    let attempt = response.attempt.as_ref().unwrap();
    let digest = |bytes: &[u8]| Some(Value::Bytes(Sha256::digest(bytes).to_vec()));
    let [request, nonce] =
        [&attempt.request, &attempt.nonce].map(|text| STANDARD.decode(text).unwrap());
    assert_eq!(receipt.member("req"), digest(&request));
    assert_eq!(receipt.member("res"), digest(response.body.as_bytes()));
    assert_eq!(receipt.member("nonce"), Some(Value::Bytes(nonce)));
    assert_eq!(receipt.member("id"), Some(response.headers["x-amzn-requestid"].clone().into()));
}

/// Asserts that `verify-receipt` rejects the stored exchange, because its document has no signature.
fn assert_document_is_rejected(
    outcome: &Outcome,
    document: &EnclaveDocument,
    configuration: &Configuration,
) {
    let response = &outcome.responses[0];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("exchange.json");
    let exchange = json!({
        "request": response.attempt.as_ref().unwrap().request,
        "response": STANDARD.encode(&response.body),
        "receipt": STANDARD.encode(&response.headers[RECEIPT_HEADER]),
        "document": STANDARD.encode(&document.bytes),
    });
    fs::write(&file, exchange.to_string()).unwrap();
    let mut command = suite::command();
    command.arg("verify-receipt").arg(&file);
    command.arg("--pcrs-file").arg(setting("EIF").join("pcrs.json"));
    let [pcr16, _] = configuration.pcrs();
    command.arg("--pcr").arg(format!("16={}", const_hex::encode(pcr16)));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let report = String::from_utf8(output.stdout).unwrap();
    let mut lines = report.lines();
    let rejected = lines.find(|line| line.starts_with("REJECTED")).unwrap();
    assert!(rejected.starts_with("REJECTED  4 document: "), "{report}");
    assert!(rejected.contains("ES384"), "{report}");
    assert!(report.contains("ok        2 form\n") && report.ends_with("rejected\n"), "{report}");
}
