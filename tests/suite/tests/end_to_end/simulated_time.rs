//! Test of a simulator that runs for weeks of simulated time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::service::Service;
use attestation::time::UnixMillis;
use attested_recipient::{Document, RecipientKey, Simulator};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const KEY: &str = include_str!("../../keys/rsa-2048.pem");
const START: UnixMillis = UnixMillis::from_secs(1_800_000_000);
const MINUTES_IN_30_DAYS: u64 = 30 * 24 * 60;

#[test]
fn serves_attested_requests_for_thirty_days() {
    let elapsed = Arc::new(AtomicU64::new(0));
    let clock = Arc::clone(&elapsed);
    let now = move || START.plus_secs(clock.load(Ordering::Relaxed));
    let simulator = Simulator::start_at(now).unwrap();
    let service = Service::in_front_of(simulator);
    let key = RecipientKey::from_pem(KEY).unwrap();
    // The time advances in steps of 47 minutes. No certificate lifetime is a multiple of this step,
    // so the documents are signed at all phases of a lifetime.
    for minute in (0..=MINUTES_IN_30_DAYS).step_by(47) {
        elapsed.store(minute * 60, Ordering::Relaxed);
        let document = service.simulator.document(&Document::for_key(&key)).unwrap();
        // This time is the last moment at which the document is valid.
        elapsed.store(minute * 60 + 300, Ordering::Relaxed);
        // The request asks for no receipt: after a jump of the time, the enclave's own document is too old.
        let request = json!({
            "NumberOfBytes": 32,
            "Recipient": {
                "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256",
                "AttestationDocument": STANDARD.encode(document),
            },
        });
        let response = service.kms("GenerateRandom", &request.to_string());
        assert_eq!(response.status, 200, "minute {minute}: {response:?}");
        let body: Value = serde_json::from_str(&response.body).unwrap();
        let sealed = STANDARD.decode(body["CiphertextForRecipient"].as_str().unwrap()).unwrap();
        assert_eq!(key.open(&sealed).unwrap().len(), 32);
    }
}

#[test]
fn date_header_uses_the_service_clock() {
    let service = Service::in_front_of(Simulator::start_at(|| START).unwrap());
    let response = service.kms("GenerateRandom", r#"{"NumberOfBytes":1}"#);
    assert_eq!(response.header("date"), Some("Fri, 15 Jan 2027 08:00:00 GMT"));
}
