//! Checks of the image with PKCS#11 modules for key stores.

use serde_json::Value;

use super::service::{enclave_document, pcrs_of_image};
use crate::clients::TestKey;
use crate::configuration::Configuration;
use crate::guests::Guests;
use crate::hsm_image::{HsmImage, LOCAL_STORE, NETWORKED_STORE, NetworkedHsm, configuration};
use crate::kms_calls::{boto3, generate_random, plain, sealed};
use crate::virtual_machine::{Boot, VirtualMachine, setting};

/// Uses the image of `make eif PKCS11=yes`, which contains no module.
pub(super) fn ready(_boots: &Guests) {
    let (folder, configuration) = (setting("EIF").join("pkcs11"), Configuration::without_tls());
    let (image, archive) = (folder.join("enclave.eif"), configuration.archive());
    let boot = Boot { config: Some(&archive), ..Boot::new(&image) };
    let machine = boot.boot_to_service();
    assert!(machine.service().tls_line_when_ready().starts_with("tls: off: "));
    plain(&*machine.service().url());
    sealed(&*machine.service().url(), &configuration, 2048);
    let own = enclave_document(&machine);
    for (index, value) in (0..).zip(pcrs_of_image(&folder.join("pcrs.json"))) {
        assert_eq!(own.pcrs[&index], value, "PCR{index}");
    }
    // Egress routes exist only if they are configured.
    assert!(!machine.console().contains("[[egress]]"), "{}", machine.console());
}

pub(super) fn key_stores(_boots: &Guests) {
    let (image, host, configuration) = (HsmImage::build(), NetworkedHsm::start(), configuration());
    let (archive, image, route) = (configuration.archive(), image.image(), host.route());
    let boot = Boot { config: Some(&archive), out: &route, ..Boot::new(&image) };
    let machine = boot.boot_to_service();
    machine.wait_for_console(&format!("key store connected key_store={LOCAL_STORE}"));
    draws(&machine, &configuration, LOCAL_STORE);
    // The host of the networked module rejects the first connection.
    let console =
        machine.wait_for_console(&format!("key store connected key_store={NETWORKED_STORE}"));
    assert!(
        console.contains(&format!("key store failed key_store={NETWORKED_STORE}")),
        "{console}"
    );
    for address in ["10.77.0.5:2223", "[fd77::5]:2223"] {
        let open = format!("egress route opened address={address} parent=vsock:2:");
        assert!(console.contains(&open), "{console}");
    }
    assert!(!console.contains("canary"), "{console}");
    assert_eq!(host.connection_count(), 2);
    draws(&machine, &configuration, NETWORKED_STORE);
}

/// Requests random bytes of a store, in plaintext and sealed.
fn draws(machine: &VirtualMachine, configuration: &Configuration, store: &str) {
    let key = TestKey::of_bits(2048);
    let document = configuration.document(key.document().public_key.unwrap());
    let from_store = |document| {
        let mut call: Value = generate_random(32, document);
        call["parameters"]["CustomKeyStoreId"] = store.into();
        call
    };
    let calls = [from_store(None), from_store(Some(&document[..])), from_store(None)];
    let outcomes = boto3(&*machine.service().url(), &calls);
    let [first, sealed, second] = &outcomes[..] else {
        panic!("expected three outcomes: {outcomes:?}")
    };
    let opened = key.open(&sealed.only_blob("CiphertextForRecipient"));
    let drawn = [first.only_blob("Plaintext"), opened, second.only_blob("Plaintext")];
    for bytes in &drawn {
        assert_eq!(bytes.len(), 32);
        assert_eq!(drawn.iter().filter(|other| *other == bytes).count(), 1, "{drawn:?}");
    }
}
