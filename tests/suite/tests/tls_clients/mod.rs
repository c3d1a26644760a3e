//! Tests of real clients with attested TLS behind the relay. The clients succeed with the bundle
//! that `attested-recipient trust` writes, and fail without this bundle.

mod half_close;
mod half_open_handshakes;
mod handshake_metrics;
mod openssl_conformance;
mod provided_certificate;
mod recording_relay;
mod s_client;

use std::fs;
use std::path::PathBuf;

use attested_recipient::Simulator;
use serde_json::json;
use tempfile::TempDir;

use self::recording_relay::RecordingRelay;
use self::s_client::SClient;
use crate::clients::{RelayedService, Sdk, SdkError, ServiceUrl, TestKey, assert_kms_layout, cli};
use crate::{generate_random, only_blob_printed, recipient};

const CONFIG: &str = r#"
[tls]
mode = "attested"
names = ["localhost", "127.0.0.1", "::1", "kms.eu-west-1.amazonaws.com"]

[recipient]
plaintext = "attested-tls"
"#;

/// A simulated enclave with attested TLS behind the relay, and its CA bundle.
struct TlsService {
    relayed: RelayedService,
    folder: TempDir,
}

impl TlsService {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("enclave.toml");
        fs::write(&config, CONFIG).unwrap();
        let simulator = Simulator::builder().config_file(config).start().unwrap();
        let trusted = Self { relayed: RelayedService::enclave(simulator), folder };
        let trust = suite::command()
            .args(["trust", "--simulator", "--out"])
            .arg(trusted.ca())
            .arg(trusted.url())
            .output()
            .unwrap();
        assert!(trust.status.success(), "{trust:?}");
        trusted
    }

    fn url(&self) -> &str {
        self.relayed.endpoint_url()
    }

    /// Returns `HOST:PORT`.
    fn authority(&self) -> &str {
        self.url().strip_prefix("https://").unwrap()
    }

    fn ca(&self) -> PathBuf {
        self.folder.path().join("enclave-ca.pem")
    }

    fn connect(&self, arguments: &[&str], input: &str) -> SClient {
        let ca = self.ca();
        let with_ca = ["-CAfile", ca.to_str().unwrap()];
        SClient::run(self.authority(), &[&with_ca, arguments].concat(), input)
    }
}

#[test]
fn sdks_connect_only_with_the_ca_bundle() {
    let service = TlsService::start();
    let key = TestKey::of_bits(2048);
    let recipient = recipient(&service.relayed.document(&key.document()));
    let calls = [
        generate_random(json!({ "NumberOfBytes": 32 })),
        generate_random(json!({ "NumberOfBytes": 32, "Recipient": recipient })),
    ];
    let ca = service.ca();
    let with_ca = ServiceUrl { url: service.url(), ca: Some(&ca) };
    for sdk in [Sdk::Boto3, Sdk::JavaScript] {
        let [plain, sealed] = &sdk.call(with_ca, &calls)[..] else {
            panic!("expected two outcomes")
        };
        assert_eq!(plain.only_blob("Plaintext").len(), 32, "{sdk:?}");
        let sealed = sealed.only_blob("CiphertextForRecipient");
        assert_kms_layout(&sealed, &key, 32);
        assert_eq!(key.open(&sealed).len(), 32, "{sdk:?}");
        for rejected in sdk.call(service.url(), &calls) {
            let Some(SdkError { message, .. }) = &rejected.error else { panic!("{rejected:?}") };
            assert!(message.contains("self-signed certificate in certificate chain"), "{message}");
            assert!(rejected.responses.is_empty(), "{rejected:?}");
        }
    }
}

#[test]
fn cli_connects_only_with_the_ca_bundle() {
    let service = TlsService::start();
    let ca = service.ca();
    let arguments = ["--number-of-bytes", "32"];
    let served = cli(ServiceUrl { url: service.url(), ca: Some(&ca) }, &arguments);
    assert_eq!(only_blob_printed(&served.stdout, "Plaintext").len(), 32);
    let rejected = cli(service.url(), &arguments);
    let stderr = String::from_utf8_lossy(&rejected.stderr);
    assert!(!rejected.status.success() && rejected.stdout.is_empty(), "{rejected:?}");
    assert!(stderr.contains("CERTIFICATE_VERIFY_FAILED"), "{stderr}");
}

#[test]
fn recording_relay_sees_no_plaintext() {
    let service = TlsService::start();
    let key = TestKey::of_bits(2048);
    let document = service.relayed.document(&key.document());
    let recording_relay = RecordingRelay::in_front_of(service.authority());
    let calls = [
        generate_random(json!({ "NumberOfBytes": 1024 })),
        generate_random(json!({ "NumberOfBytes": 1024, "Recipient": recipient(&document) })),
    ];
    let ca = service.ca();
    let url = format!("https://{}", recording_relay.authority());
    let [plain, sealed] = &Sdk::Boto3.call(ServiceUrl { url: &url, ca: Some(&ca) }, &calls)[..]
    else {
        panic!("expected two outcomes")
    };
    let random = plain.only_blob("Plaintext");
    let sealed = sealed.only_blob("CiphertextForRecipient");
    let recorded = recording_relay.recorded();
    // The recorder has recorded all bytes. The length shows this, because the document is longer
    // than all other bytes together.
    assert!(recorded.len() > document.len() + random.len() + sealed.len(), "{}", recorded.len());
    for (case, secret) in [("answer", &random), ("envelope", &sealed)] {
        assert_eq!(crate::secret_search::find(secret, &recorded), None, "the {case} was recorded");
    }
    for piece in pieces(&document) {
        assert_eq!(crate::secret_search::find(piece, &recorded), None, "the document was recorded");
    }
    for text in ["TrentService", "GenerateRandom", "Plaintext", "AWS4-HMAC-SHA256"] {
        assert_eq!(
            crate::secret_search::find(text.as_bytes(), &recorded),
            None,
            "{text} was recorded"
        );
    }
    // As a control, the recorder must find all values if the same calls do not use TLS.
    let plain_service = RelayedService::simulator();
    let recording_relay =
        RecordingRelay::in_front_of(plain_service.endpoint_url().strip_prefix("http://").unwrap());
    let url = format!("http://{}", recording_relay.authority());
    let document = plain_service.document(&key.document());
    let calls = [
        generate_random(json!({ "NumberOfBytes": 1024 })),
        generate_random(json!({ "NumberOfBytes": 1024, "Recipient": recipient(&document) })),
    ];
    let outcomes = Sdk::Boto3.call(url.as_str(), &calls);
    let random = outcomes[0].only_blob("Plaintext");
    let recorded = recording_relay.recorded();
    for secret in [&random[..], b"TrentService"].into_iter().chain(pieces(&document)) {
        assert!(crate::secret_search::find(secret, &recorded).is_some());
    }
}

/// Returns pieces of the document that occur nowhere else. Pieces of zero PCRs are excluded,
/// because handshakes also contain zeros.
fn pieces(document: &[u8]) -> impl Iterator<Item = &[u8]> {
    document.split(|byte| *byte == 0).filter(|piece| piece.len() >= 16)
}
