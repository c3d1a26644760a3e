//! Attacks of a program that is independent of this repository.

use attested_recipient::{Document, RecipientKey, Simulator};

use crate::forging_script::ForgingScript;
use crate::victims::{ClientKind, random_command};

const NO_RECEIPT: &str = "the response has no receipt";
const OTHER_NONCE: &str = "the receipt has another nonce than this request";

/// Returns a document for `key`, which the attacker does not change.
fn document(simulator: &Simulator, key: &RecipientKey) -> Vec<u8> {
    simulator.document(&Document::for_key(key)).unwrap()
}

#[test]
fn clients_reject_bytes_that_a_relay_sealed() {
    let simulator = Simulator::start().unwrap();
    let test = "clients_reject_bytes_that_a_relay_sealed";
    let Some(script) = ForgingScript::start(test, "forge", simulator.address()) else { return };
    let error = random_command(&script.url()).unwrap_err();
    assert!(error.contains(NO_RECEIPT), "{error}");
    let key = RecipientKey::generate().unwrap();
    let document = document(&simulator, &key);
    for kind in ClientKind::ALL {
        kind.start(&script.url()).assert_rejects(Some(&document), NO_RECEIPT);
    }
}

#[test]
fn clients_reject_response_that_a_relay_repeats() {
    let simulator = Simulator::start().unwrap();
    let test = "clients_reject_response_that_a_relay_repeats";
    for kind in ClientKind::ALL {
        // The program repeats the response to the first client of a key.
        let Some(script) = ForgingScript::start(test, "replay", simulator.address()) else {
            return;
        };
        let key = RecipientKey::generate().unwrap();
        let document = document(&simulator, &key);
        let victim = kind.start(&script.url());
        let sealed = victim.random(Some(&document)).unwrap();
        assert_eq!(key.open(&sealed).unwrap().len(), 32);
        victim.assert_rejects(Some(&document), OTHER_NONCE);
    }
}
