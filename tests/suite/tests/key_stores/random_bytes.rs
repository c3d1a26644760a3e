//! Tests of the origin of random values. The module provides the random bytes of the response. The
//! enclave provides the content key and the IV.

use attestation::receipt::ReceiptBytes;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::Case;
use crate::clients::{Outcome, Sdk, TestKey, assert_kms_layout};
use crate::service::{CONNECTED, Service};
use crate::softhsm::SoftHsm;
use crate::store_config::VAULT;

pub(crate) const CASES: &[Case] = &[
    ("boto3_receives_the_bytes_of_the_module", boto3_receives_the_bytes_of_the_module),
    (
        "boto3_receives_module_bytes_sealed_with_an_enclave_key",
        boto3_receives_module_bytes_sealed_with_an_enclave_key,
    ),
    ("receipt_names_the_store", receipt_names_the_store),
    ("self_test_bytes_are_never_returned", self_test_bytes_are_never_returned),
    (
        "requests_without_store_do_not_call_the_module",
        requests_without_store_do_not_call_the_module,
    ),
    (
        "failed_nsm_prevents_sealing_but_not_the_store",
        failed_nsm_prevents_sealing_but_not_the_store,
    ),
];

const LENGTHS: [usize; 3] = [1, 32, 1024];

fn connected(hsm: &SoftHsm) -> Service<'_> {
    let service = Service::start(hsm);
    service.wait_until_state(&VAULT, CONNECTED);
    service
}

fn call(parameters: Value) -> Value {
    json!({ "operation": "GenerateRandom", "parameters": parameters })
}

fn recipient(document: &[u8]) -> Value {
    json!({
        "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256",
        "AttestationDocument": STANDARD.encode(document),
    })
}

/// Returns the result of each call, and the bytes that the module returned during the calls.
fn outcomes(service: &Service<'_>, calls: &[Value]) -> (Vec<Outcome>, Vec<Vec<u8>>) {
    let before = service.hsm.calls("C_GenerateRandom").len();
    let outcomes = Sdk::Boto3.call(service.url(), calls);
    let given = service.hsm.calls("C_GenerateRandom").into_iter().skip(before);
    (outcomes, given.map(|call| call.bytes).collect())
}

fn boto3_receives_the_bytes_of_the_module() {
    let hsm = SoftHsm::with_stores(&[VAULT]);
    let service = connected(&hsm);
    let calls = LENGTHS.map(|n| call(json!({ "NumberOfBytes": n, "CustomKeyStoreId": VAULT.id })));
    let (outcomes, given) = outcomes(&service, &calls);
    let random: Vec<_> = outcomes.iter().map(|outcome| outcome.only_blob("Plaintext")).collect();
    // The module has one call for each request, with exactly the requested length.
    assert_eq!(random, given);
    assert_eq!(random.iter().map(Vec::len).collect::<Vec<_>>(), LENGTHS);
    service.shut_down();
}

fn receipt_names_the_store() {
    let hsm = SoftHsm::with_stores(&[VAULT]);
    let service = connected(&hsm);
    let parameters = json!({ "NumberOfBytes": 32, "CustomKeyStoreId": VAULT.id });
    let receipt = service.receipt("GenerateRandom", &parameters);
    let receipt = ReceiptBytes::from_header(receipt.as_bytes()).unwrap();
    let receipt = receipt.parse().unwrap();
    assert_eq!(receipt.dangerous_unverified_content().source, Some(VAULT.id));
    service.shut_down();
}

fn boto3_receives_module_bytes_sealed_with_an_enclave_key() {
    let hsm = SoftHsm::with_stores(&[VAULT]);
    let service = connected(&hsm);
    let key = TestKey::of_bits(2048);
    let recipient = recipient(&service.document(&key.document()));
    let calls = LENGTHS.map(|n| {
        let store = VAULT.id;
        call(json!({ "NumberOfBytes": n, "CustomKeyStoreId": store, "Recipient": recipient }))
    });
    let (outcomes, given) = outcomes(&service, &calls);
    let sealed = outcomes.iter().map(|outcome| outcome.only_blob("CiphertextForRecipient"));
    // If the content key and the IV came from the module, the module would have calls of 32 and 16
    // bytes, or of 48 bytes.
    let sealed: Vec<_> = sealed.collect();
    assert_eq!(sealed.iter().map(|sealed| key.open(sealed)).collect::<Vec<_>>(), given);
    for (sealed, length) in sealed.iter().zip(LENGTHS) {
        assert_kms_layout(sealed, &key, length);
    }
    service.shut_down();
}

fn self_test_bytes_are_never_returned() {
    let hsm = SoftHsm::with_stores(&[VAULT]);
    let service = connected(&hsm);
    let tested = hsm.calls("C_GenerateRandom");
    // The maximum number of bytes per request.
    assert_eq!(tested.iter().map(|call| call.bytes.len()).collect::<Vec<_>>(), [1024, 1024]);
    let call = call(json!({ "NumberOfBytes": 1024, "CustomKeyStoreId": VAULT.id }));
    let (outcomes, given) = outcomes(&service, &[call]);
    assert_eq!(vec![outcomes[0].only_blob("Plaintext")], given);
    assert!(tested.iter().all(|call| call.bytes != given[0]));
    service.shut_down();
}

fn requests_without_store_do_not_call_the_module() {
    let hsm = SoftHsm::with_stores(&[VAULT]);
    let service = connected(&hsm);
    let (outcomes, given) = outcomes(&service, &[call(json!({ "NumberOfBytes": 32 }))]);
    assert_eq!(outcomes[0].only_blob("Plaintext").len(), 32);
    assert!(given.is_empty(), "{given:?}");
    service.shut_down();
}

fn failed_nsm_prevents_sealing_but_not_the_store() {
    let hsm = SoftHsm::empty();
    // Without prefetching, the fault affects the next request.
    let nsm = "[entropy]\nprefetch = 0\n[simulator.nsm]\nfault = \"error\"\nafter = 0\n";
    hsm.configure(&[nsm, &VAULT.toml(&hsm.spy_module())].concat());
    let service = connected(&hsm);
    let document = service.document(&TestKey::of_bits(2048).document());
    let sealed = json!({
        "NumberOfBytes": 32,
        "CustomKeyStoreId": VAULT.id,
        "Recipient": recipient(&document),
    });
    for (case, parameters) in [("of the NSM", json!({ "NumberOfBytes": 32 })), ("sealed", sealed)] {
        let response = service.call("GenerateRandom", &parameters);
        let (name, status) = response.error();
        let names = ["KMSInternalException", "DependencyTimeoutException"];
        assert!(names.contains(&name) && status == 500, "{case}: {response:?}");
    }
    service.assert_serves(&VAULT, 32);
    service.shut_down();
}
