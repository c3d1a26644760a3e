//! Tests of the enclave's metric for TLS handshakes. Handshakes of real clients fail for different
//! reasons.

use std::collections::BTreeMap;

use serde_json::json;

use super::{SClient, TlsService};
use crate::clients::{Sdk, ServiceUrl};
use crate::generate_random;

/// Returns the number of handshakes by outcome.
fn handshake_counts(service: &TlsService) -> BTreeMap<String, u64> {
    let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let response = service.connect(&[], request);
    let text = String::from_utf8(response.response().to_vec()).unwrap();
    let name = "attested_random_tls_handshakes_total{outcome=\"";
    let samples = text.lines().filter_map(|line| line.strip_prefix(name)?.split_once("\"} "));
    samples.map(|(outcome, count)| (outcome.to_owned(), count.parse().unwrap())).collect()
}

/// Runs `fail`. Returns the outcomes of the handshakes in the meantime.
fn counts_added_by(service: &TlsService, fail: impl FnOnce()) -> Vec<(String, u64)> {
    let before = handshake_counts(service);
    fail();
    let mut after = handshake_counts(service);
    // The connection that requests the metrics also has a handshake, which is not counted.
    *after.get_mut("full").unwrap() -= 1;
    let more = after.into_iter().map(|(outcome, count)| {
        let more = count - before[&outcome];
        (outcome, more)
    });
    more.filter(|(_, more)| *more > 0).collect()
}

#[test]
fn counts_failed_openssl_handshakes_by_cause() {
    let (service, other) = (TlsService::start(), TlsService::start());
    let other = other.ca();
    for version in ["-tls1_2", "-tls1_3"] {
        let unknown = ["-CAfile", other.to_str().unwrap(), "-verify_return_error", version];
        let counted = counts_added_by(&service, || {
            let rejected = SClient::run(service.authority(), &unknown, "");
            assert!(!rejected.succeeded(), "{rejected:?}");
        });
        assert_eq!(counted, [("unknown_ca".to_owned(), 1)], "{version}");
        let misnamed = ["-verify_hostname", "other.example", "-verify_return_error", version];
        let counted = counts_added_by(&service, || {
            let rejected = service.connect(&misnamed, "");
            assert!(!rejected.succeeded(), "{rejected:?}");
        });
        assert_eq!(counted, [("bad_certificate".to_owned(), 1)], "{version}");
        let counted = counts_added_by(&service, || {
            let served = service.connect(&["-verify_return_error", version], "");
            assert!(served.succeeded(), "{served:?}");
        });
        assert_eq!(counted, [("full".to_owned(), 1)], "{version}");
    }
}

#[test]
fn counts_failed_sdk_handshakes_by_cause() {
    let (service, other) = (TlsService::start(), TlsService::start());
    let other = other.ca();
    let calls = [generate_random(json!({ "NumberOfBytes": 32 }))];
    // Node.js verifies the certificate after the handshake, and then closes the connection.
    for (sdk, expected) in [(Sdk::Boto3, "unknown_ca"), (Sdk::JavaScript, "closed")] {
        let counted = counts_added_by(&service, || {
            let outcome =
                sdk.call(ServiceUrl { url: service.url(), ca: Some(&other) }, &calls).remove(0);
            assert!(outcome.error.is_some(), "{outcome:?}");
        });
        // The SDK retries, so there is more than one handshake.
        let [(cause, 1..)] = &counted[..] else { panic!("{sdk:?}: {counted:?}") };
        assert_eq!(cause, expected, "{sdk:?}");
    }
}
