//! Tests of the configuration table `[recipient]` in a whole service.

use std::collections::BTreeMap;

use attested_recipient::{Document, Kind};

use super::credentials::{ALLOW, sigv4};
use super::service::{ConfiguredService, denied, rejection};

const NOT_ADMITTED: &str =
    "because the measurements in the attestation document are not allowed by this service";

fn configured(recipient: &str) -> ConfiguredService {
    ConfiguredService::start(&format!("{}[recipient]\n{recipient}\n", sigv4()), ALLOW)
}

#[test]
fn require_denies_request_without_recipient() {
    let service = configured("require = true");
    assert_eq!(denied(service.generate_plain()), "because this service requires a Recipient");
    assert!(service.generate_for(&Document::default()).is_ok());
}

#[test]
fn measurements_must_match_one_whole_entry() {
    let [ab, cd] = ["ab", "cd"].map(|byte| byte.repeat(48));
    let service = configured(&format!(
        "measurements = [{{ PCR0 = \"{ab}\", PCR8 = \"{cd}\" }}, {{ NitroTPMPCR4 = \"{ab}\" }}]"
    ));
    let document = |kind, pcrs: &[(u8, u8)]| Document {
        kind,
        pcrs: pcrs.iter().map(|(index, byte)| (*index, [*byte; 48])).collect::<BTreeMap<_, _>>(),
        ..Document::default()
    };
    for (kind, pcrs, admitted) in [
        (Kind::Enclave, &[(0, 0xab), (8, 0xcd)][..], true),
        (Kind::NitroTpm, &[(4, 0xab)], true),
        (Kind::Enclave, &[(0, 0xab)], false),
        (Kind::Enclave, &[(8, 0xcd)], false),
        // A PCR of another platform is a different measurement, even if the index is the same.
        (Kind::Enclave, &[(4, 0xab)], false),
        (Kind::NitroTpm, &[(0, 0xab), (8, 0xcd)], false),
        (Kind::Enclave, &[], false),
    ] {
        let result = service.generate_for(&document(kind, pcrs));
        if admitted {
            assert!(result.is_ok(), "{kind:?} {pcrs:?}");
        } else {
            assert_eq!(denied(result), NOT_ADMITTED, "{kind:?} {pcrs:?}");
        }
    }
    // The setting `measurements` does not require that a request has a Recipient.
    assert!(service.generate_plain().is_ok());
}

#[test]
fn rejects_document_older_than_max_age() {
    let aged = |age_seconds| Document { age_seconds, ..Document::default() };
    // For each old document, the simulator issues a chain that is valid at the document's timestamp.
    // The chain is still valid 3,000 s later.
    for (max_age, fresh, stale) in
        [("300", 200, Some(400)), ("30", 10, Some(100)), ("\"chain\"", 3000, None)]
    {
        let service = configured(&format!("max_age = {max_age}"));
        assert!(service.generate_for(&aged(fresh)).is_ok(), "{max_age}");
        if let Some(stale) = stale {
            let (error_type, message) = rejection(service.generate_for(&aged(stale)));
            assert_eq!(error_type, "ValidationException");
            assert!(message.contains("old"), "{message}");
        }
    }
}

#[test]
fn rejects_debug_mode_unless_allowed() {
    let debug = Document { debug: true, ..Document::default() };
    let (error_type, message) = rejection(configured("").generate_for(&debug));
    assert_eq!(error_type, "ValidationException");
    assert!(message.contains("debug mode"), "{message}");
    assert!(configured("allow_debug = true").generate_for(&debug).is_ok());
}
