//! Tests of TLS with a certificate and a key from the configuration.

use std::fs;
use std::path::{Path, PathBuf};

use attested_recipient::Simulator;
use serde_json::json;
use tempfile::TempDir;

use super::s_client::SClient;
use crate::clients::{RelayedService, Sdk, ServiceUrl};
use crate::generate_random;

const REQUEST: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Certificates of `tests/suite/keys/tls` and the format of each key.
const KEYS: [(&str, &str); 5] =
    [("p256", "pkcs8"), ("p256", "sec1"), ("rsa", "pkcs8"), ("rsa", "pkcs1"), ("ed25519", "pkcs8")];

struct ProvidedTlsService {
    relayed: RelayedService,
    certificate: PathBuf,
    folder: TempDir,
}

impl ProvidedTlsService {
    fn start(certificate: &str, form: &str, more: &str) -> Self {
        let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("keys/tls");
        let certificate = keys.join(format!("{certificate}.crt.pem"));
        let key = certificate.with_file_name(
            certificate.file_name().unwrap().to_str().unwrap().replace("crt", form),
        );
        let folder = tempfile::tempdir().unwrap();
        fs::copy(&certificate, folder.path().join("tls.crt")).unwrap();
        fs::copy(key, folder.path().join("tls.key")).unwrap();
        let config = folder.path().join("enclave.toml");
        let tls = "mode = \"provided\"\ncertificate = \"tls.crt\"\nprivate_key = \"tls.key\"\n";
        fs::write(&config, ["[tls]\n", tls, more].concat()).unwrap();
        let simulator = Simulator::builder().config_file(config).start().unwrap();
        Self { relayed: RelayedService::enclave(simulator), certificate, folder }
    }

    fn connect(&self, arguments: &[&str], request: &str) -> SClient {
        let authority = self.relayed.endpoint_url().strip_prefix("https://").unwrap();
        let with_ca = ["-CAfile", self.certificate.to_str().unwrap(), "-verify_return_error"];
        SClient::run(authority, &[&with_ca, arguments].concat(), request)
    }
}

#[test]
fn serves_every_key_type_in_tls_1_2_and_1_3() {
    for (certificate, form) in KEYS {
        let service = ProvidedTlsService::start(certificate, form, "");
        for version in ["-tls1_2", "-tls1_3"] {
            let client = service.connect(&[version, "-verify_hostname", "localhost"], REQUEST);
            assert!(client.succeeded(), "{certificate} {form} {version}: {client:?}");
            assert!(client.response().starts_with(b"HTTP/1.1 200 OK"), "{client:?}");
        }
    }
}

#[test]
fn provided_certificate_allows_plaintext_unless_never() {
    let calls = [generate_random(json!({ "NumberOfBytes": 32 }))];
    let service = ProvidedTlsService::start("p256", "pkcs8", "");
    let site = ServiceUrl { url: service.relayed.endpoint_url(), ca: Some(&service.certificate) };
    for sdk in [Sdk::Boto3, Sdk::JavaScript] {
        assert_eq!(sdk.call(site, &calls)[0].only_blob("Plaintext").len(), 32, "{sdk:?}");
    }
    let service =
        ProvidedTlsService::start("p256", "pkcs8", "[recipient]\nplaintext = \"never\"\n");
    let site = ServiceUrl { url: service.relayed.endpoint_url(), ca: Some(&service.certificate) };
    let rejected = Sdk::Boto3.call(site, &calls).remove(0).error.unwrap();
    assert_eq!(rejected.name, "AccessDeniedException");
    assert!(rejected.message.ends_with("requires a Recipient"), "{rejected:?}");
}

/// Runs `trust` for a service with a provided certificate. The key of such a certificate also
/// exists outside the enclave, so no document attests the key.
#[test]
fn trust_rejects_provided_certificate() {
    let service = ProvidedTlsService::start("p256", "pkcs8", "");
    let out = service.folder.path().join("enclave-ca.pem");
    let trust = suite::command()
        .args(["trust", "--simulator", service.relayed.endpoint_url(), "--out"])
        .arg(&out)
        .output()
        .unwrap();
    assert_eq!(trust.status.code(), Some(15), "{trust:?}");
    let stderr = String::from_utf8_lossy(&trust.stderr);
    assert!(stderr.contains("attests no TLS authority"), "{stderr}");
    assert!(!out.exists());
}
