//! Real clients over TLS that ends in the enclave, through the relay: with the file that
//! `attested-recipient trust` writes they are served, without it they refuse.

mod flood;
mod openssl;
mod provided;
mod recorder;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use attested_recipient::Simulator;
use serde_json::json;
use shared::tls::CaBinding;
use tempfile::TempDir;

use self::openssl::SClient;
use self::recorder::Recorder;
use crate::clients::{Failure, Relayed, Sdk, Site, TestKey, assert_form, cli};
use crate::{generate_random, only_blob_printed, recipient};

const CONFIG: &str = r#"
[tls]
mode = "attested"
names = ["localhost", "127.0.0.1", "::1", "kms.eu-west-1.amazonaws.com"]

[recipient]
plaintext = "deny"
"#;

/// A simulated enclave with TLS, behind the relay, and the file by which it is trusted.
struct Trusted {
    relayed: Relayed,
    folder: TempDir,
}

impl Trusted {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("enclave.toml");
        fs::write(&config, CONFIG).unwrap();
        let simulator = Simulator::builder().config_file(config).start().unwrap();
        let trusted = Self { relayed: Relayed::enclave(simulator), folder };
        let trust = Command::new(env!("CARGO_BIN_EXE_attested-recipient"))
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

    /// `HOST:PORT`.
    fn authority(&self) -> &str {
        self.url().strip_prefix("https://").unwrap()
    }

    fn ca(&self) -> PathBuf {
        self.folder.path().join("enclave-ca.pem")
    }

    fn connect(&self, arguments: &[&str], input: &str) -> SClient {
        let ca = self.ca();
        let trusting = ["-CAfile", ca.to_str().unwrap()];
        SClient::run(self.authority(), &[&trusting, arguments].concat(), input)
    }
}

#[test]
fn sdks_that_have_the_file_are_served_and_others_refuse() {
    let service = Trusted::start();
    let key = TestKey::of_bits(2048);
    let recipient = recipient(&service.relayed.document(&key.document()));
    let calls = [
        generate_random(json!({ "NumberOfBytes": 32 })),
        generate_random(json!({ "NumberOfBytes": 32, "Recipient": recipient })),
    ];
    let ca = service.ca();
    let trusting = Site { url: service.url(), ca: Some(&ca) };
    for sdk in [Sdk::Boto3, Sdk::JavaScript] {
        let [plain, sealed] = &sdk.call(trusting, &calls)[..] else { panic!("two outcomes") };
        assert_eq!(plain.only_blob("Plaintext").len(), 32, "{sdk:?}");
        let sealed = sealed.only_blob("CiphertextForRecipient");
        assert_form(&sealed, &key, 32);
        assert_eq!(key.open(&sealed).len(), 32, "{sdk:?}");
        for refused in sdk.call(service.url(), &calls) {
            let Some(Failure { message, .. }) = &refused.error else { panic!("{refused:?}") };
            assert!(message.contains("self-signed certificate in certificate chain"), "{message}");
            assert!(refused.responses.is_empty(), "{refused:?}");
        }
    }
}

#[test]
fn cli_that_has_the_file_is_served_and_another_refuses() {
    let service = Trusted::start();
    let ca = service.ca();
    let arguments = ["--number-of-bytes", "32"];
    let served = cli(Site { url: service.url(), ca: Some(&ca) }, &arguments);
    assert_eq!(only_blob_printed(&served.stdout, "Plaintext").len(), 32);
    let refused = cli(service.url(), &arguments);
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && refused.stdout.is_empty(), "{refused:?}");
    assert!(stderr.contains("CERTIFICATE_VERIFY_FAILED"), "{stderr}");
}

#[test]
fn openssl_verifies_strictly_speaks_both_versions_and_is_told_http_1_1() {
    let service = Trusted::start();
    let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    for (version, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let strictly = ["-x509_strict", "-verify_return_error", "-verify_hostname", "localhost"];
        let arguments = [&strictly, &[version, "-alpn", "h2,http/1.1"][..]].concat();
        let client = service.connect(&arguments, request);
        assert!(client.succeeded(), "{client:?}");
        for line in ["ALPN protocol: http/1.1", "Verification: OK"] {
            assert!(client.says(line), "{line}: {client:?}");
        }
        assert!(client.says_something_with(name), "{client:?}");
        assert!(client.answer().starts_with(b"HTTP/1.1 200 OK"), "{client:?}");
        assert!(client.says_something_with("\r\n\r\nok\n"), "{client:?}");
    }
    for name in ["127.0.0.1", "::1"] {
        let arguments = ["-x509_strict", "-verify_return_error", "-verify_ip", name];
        assert!(service.connect(&arguments, request).succeeded(), "{name}");
    }
    let aws = "kms.eu-west-1.amazonaws.com";
    let as_aws = ["-verify_return_error", "-servername", aws, "-verify_hostname", aws];
    assert!(service.connect(&as_aws, request).succeeded());
    let elsewhere = ["-verify_return_error", "-verify_hostname", "kms.us-east-1.amazonaws.com"];
    assert!(!service.connect(&elsewhere, request).succeeded());
    let untrusting = SClient::run(service.authority(), &["-verify_return_error"], request);
    assert!(!untrusting.succeeded() && untrusting.answer().is_empty(), "{untrusting:?}");
}

#[test]
fn openssl_resumes_a_session_with_a_ticket_in_both_versions() {
    let service = Trusted::start();
    let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    for version in ["-tls1_2", "-tls1_3"] {
        let session = service.folder.path().join(format!("session{version}"));
        let session = session.to_str().unwrap();
        let first = service.connect(&[version, "-sess_out", session], request);
        assert!(first.says_something_with("New, TLSv1"), "{first:?}");
        let second = service.connect(&[version, "-sess_in", session], request);
        assert!(second.says_something_with("Reused, TLSv1"), "{version}: {second:?}");
        assert!(second.answer().starts_with(b"HTTP/1.1 200 OK"), "{second:?}");
    }
}

#[test]
fn nothing_renegotiates_and_no_older_version_is_spoken() {
    let service = Trusted::start();
    // With this line s_client renegotiates.
    let renegotiating = service.connect(&["-tls1_2", "-legacy_renegotiation"], "R\n");
    assert!(renegotiating.says_something_with("no renegotiation"), "{renegotiating:?}");
    let old = ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"];
    let old = service.connect(&old, "");
    assert!(!old.succeeded() && old.says_something_with("alert"), "{old:?}");
}

#[test]
fn a_relay_that_records_everything_has_neither_an_answer_nor_a_document() {
    let service = Trusted::start();
    let key = TestKey::of_bits(2048);
    let document = service.relayed.document(&key.document());
    let recorder = Recorder::before(service.authority());
    let calls = [
        generate_random(json!({ "NumberOfBytes": 1024 })),
        generate_random(json!({ "NumberOfBytes": 1024, "Recipient": recipient(&document) })),
    ];
    let ca = service.ca();
    let url = format!("https://{}", recorder.authority());
    let [plain, sealed] = &Sdk::Boto3.call(Site { url: &url, ca: Some(&ca) }, &calls)[..] else {
        panic!("two outcomes")
    };
    let random = plain.only_blob("Plaintext");
    let sealed = sealed.only_blob("CiphertextForRecipient");
    let recorded = recorder.recorded();
    // All of it passed there: the document alone takes more than all else.
    assert!(recorded.len() > document.len() + random.len() + sealed.len(), "{}", recorded.len());
    for (what, secret) in [("answer", &random), ("envelope", &sealed)] {
        assert_eq!(crate::hunt::find(secret, &recorded), None, "the {what} was recorded");
    }
    for piece in pieces(&document) {
        assert_eq!(crate::hunt::find(piece, &recorded), None, "the document was recorded");
    }
    for text in ["TrentService", "GenerateRandom", "Plaintext", "AWS4-HMAC-SHA256"] {
        assert_eq!(crate::hunt::find(text.as_bytes(), &recorded), None, "{text} was recorded");
    }
    // The same without TLS shows all of it, or nothing was looked for.
    let plain_service = Relayed::simulator();
    let recorder = Recorder::before(plain_service.endpoint_url().strip_prefix("http://").unwrap());
    let url = format!("http://{}", recorder.authority());
    let document = plain_service.document(&key.document());
    let calls = [
        generate_random(json!({ "NumberOfBytes": 1024 })),
        generate_random(json!({ "NumberOfBytes": 1024, "Recipient": recipient(&document) })),
    ];
    let outcomes = Sdk::Boto3.call(url.as_str(), &calls);
    let random = outcomes[0].only_blob("Plaintext");
    let recorded = recorder.recorded();
    for secret in [&random[..], b"TrentService"].into_iter().chain(pieces(&document)) {
        assert!(crate::hunt::find(secret, &recorded).is_some());
    }
}

/// What tells a document from others: not the zeros of registers, which a handshake pads with too.
fn pieces(document: &[u8]) -> impl Iterator<Item = &[u8]> {
    document.split(|byte| *byte == 0).filter(|piece| piece.len() >= 16)
}

#[test]
fn the_enclaves_own_document_binds_the_authority_in_the_file() {
    let service = Trusted::start();
    let spki = openssl::public_key_of(&service.ca());
    let nonce = "ab".repeat(32);
    let path = format!("/attestation?nonce={nonce}");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let document = service.connect(&[], &request).answer().to_vec();
    let user_data = CaBinding::of_spki(&spki).to_user_data();
    let holds = |bytes: &[u8]| document.windows(bytes.len()).any(|window| window == bytes);
    assert!(holds(&user_data) && holds(&[0xab; 32]));
}

#[test]
fn openssl_verifies_each_certificate_by_itself() {
    let service = Trusted::start();
    let leaf = service.folder.path().join("leaf.pem");
    let shown = service.connect(&["-showcerts"], "");
    fs::write(&leaf, shown.first_certificate()).unwrap();
    let verify = |arguments: &[&str], ca: &Path| {
        let mut command = Command::new("openssl");
        command.args(["verify", "-x509_strict", "-purpose", "sslserver"]).args(arguments);
        command.arg("-CAfile").arg(ca).arg(&leaf).output().unwrap()
    };
    let ca = service.ca();
    for name in ["localhost", "kms.eu-west-1.amazonaws.com"] {
        let verified = verify(&["-verify_hostname", name], &ca);
        assert!(verified.status.success(), "{verified:?}");
    }
    assert!(verify(&["-verify_ip", "::1"], &ca).status.success());
    assert!(!verify(&["-verify_hostname", "other.example"], &ca).status.success());
    assert!(!verify(&[], &leaf).status.success());
}

#[test]
fn the_authority_may_do_nothing_but_issue_for_these_names() {
    let service = Trusted::start();
    let mut show = Command::new("openssl");
    let shown = show.args(["x509", "-noout", "-text", "-in"]).arg(service.ca()).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    let lines: Vec<_> = shown.lines().map(str::trim).collect();
    let after = |title: &str, number: usize| {
        let at = lines.iter().position(|line| *line == title).unwrap_or_else(|| panic!("{shown}"));
        lines[at + 1..=at + number].to_vec()
    };
    assert_eq!(after("X509v3 Basic Constraints: critical", 1), ["CA:TRUE, pathlen:0"]);
    assert_eq!(after("X509v3 Key Usage: critical", 1), ["Certificate Sign"]);
    assert_eq!(
        after("X509v3 Name Constraints: critical", 5),
        [
            "Permitted:",
            "DNS:localhost",
            "IP:127.0.0.1/255.255.255.255",
            "IP:0:0:0:0:0:0:0:1/FFFF:FFFF:FFFF:FFFF:FFFF:FFFF:FFFF:FFFF",
            "DNS:kms.eu-west-1.amazonaws.com",
        ]
    );
}
