//! Checks of receipts. The test reads the receipt key in the enclave's document by itself, because the
//! checklist rejects a document without a signature.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ciborium::Value;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::service::{attestation, on_first};
use crate::clients::{Outcome, Sdk, TestKey};
use crate::configuration::IDENTITY;
use crate::guests::Guests;
use crate::kms_calls::generate_random;
use crate::receipt::Receipt;
use crate::virtual_machine::VirtualMachine;

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
    Receipt::read(&outcome.responses[0].headers["x-attested-random-receipt"])
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
