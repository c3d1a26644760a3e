//! Tests of handshakes and certificates with OpenSSL's strictest checks.

use std::fs;
use std::path::Path;
use std::process::Command;

use attestation::tls::spki_digest;

use super::TlsService;
use super::half_close::{self, HalfClose};
use super::s_client::{SClient, public_key_of};

#[test]
fn openssl_strict_verification_succeeds_in_both_versions() {
    let service = TlsService::start();
    let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    for (version, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let strictly = ["-x509_strict", "-verify_return_error", "-verify_hostname", "localhost"];
        let arguments = [&strictly, &[version, "-alpn", "h2,http/1.1"][..]].concat();
        let client = service.connect(&arguments, request);
        assert!(client.succeeded(), "{client:?}");
        for line in ["ALPN protocol: http/1.1", "Verification: OK"] {
            assert!(client.has_line(line), "{line}: {client:?}");
        }
        assert!(client.output_contains(name), "{client:?}");
        assert!(client.response().starts_with(b"HTTP/1.1 200 OK"), "{client:?}");
        assert!(client.output_contains("\r\n\r\nok\n"), "{client:?}");
    }
    for name in ["127.0.0.1", "::1"] {
        let arguments = ["-x509_strict", "-verify_return_error", "-verify_ip", name];
        assert!(service.connect(&arguments, request).succeeded(), "{name}");
    }
    let aws = "kms.eu-west-1.amazonaws.com";
    let as_aws = ["-verify_return_error", "-servername", aws, "-verify_hostname", aws];
    assert!(service.connect(&as_aws, request).succeeded());
    let other_host = ["-verify_return_error", "-verify_hostname", "kms.us-east-1.amazonaws.com"];
    assert!(!service.connect(&other_host, request).succeeded());
    let without_ca = SClient::run(service.authority(), &["-verify_return_error"], request);
    assert!(!without_ca.succeeded() && without_ca.response().is_empty(), "{without_ca:?}");
}

#[test]
fn openssl_resumes_sessions_in_both_versions() {
    let service = TlsService::start();
    let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    for version in ["-tls1_2", "-tls1_3"] {
        let session = service.folder.path().join(format!("session{version}"));
        let session = session.to_str().unwrap();
        let first = service.connect(&[version, "-sess_out", session], request);
        assert!(first.output_contains("New, TLSv1"), "{first:?}");
        let second = service.connect(&[version, "-sess_in", session], request);
        assert!(second.output_contains("Reused, TLSv1"), "{version}: {second:?}");
        assert!(second.response().starts_with(b"HTTP/1.1 200 OK"), "{second:?}");
    }
}

#[test]
fn rejects_renegotiation_and_older_tls_versions() {
    let service = TlsService::start();
    // This line makes s_client renegotiate.
    let renegotiating = service.connect(&["-tls1_2", "-legacy_renegotiation"], "R\n");
    assert!(renegotiating.output_contains("no renegotiation"), "{renegotiating:?}");
    let old = ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"];
    let old = service.connect(&old, "");
    assert!(!old.succeeded() && old.output_contains("alert"), "{old:?}");
}

#[test]
fn attestation_endpoint_document_binds_both_tls_keys() {
    let service = TlsService::start();
    let leaf = service.folder.path().join("leaf.pem");
    fs::write(&leaf, &service.connect(&["-showcerts"], "").certificates()[0]).unwrap();
    let digest = |certificate: &Path| const_hex::encode(spki_digest(&public_key_of(certificate)));
    let keys = format!(" tls-key=sha256:{} tls-ca=sha256:{}", digest(&leaf), digest(&service.ca()));
    let nonce = "ab".repeat(32);
    let path = format!("/attestation?nonce={nonce}");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let document = service.connect(&[], &request).response().to_vec();
    let holds = |bytes: &[u8]| document.windows(bytes.len()).any(|window| window == bytes);
    assert!(holds(keys.as_bytes()) && holds(&[0xab; 32]), "{keys}");
}

#[test]
fn openssl_verifies_the_leaf_certificate() {
    let service = TlsService::start();
    let leaf = service.folder.path().join("leaf.pem");
    let shown = service.connect(&["-showcerts"], "");
    fs::write(&leaf, &shown.certificates()[0]).unwrap();
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
fn ca_certificate_is_constrained_to_its_names() {
    let service = TlsService::start();
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

#[test]
fn half_closed_client_receives_whole_response() {
    let service = TlsService::start();
    let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    for end in [HalfClose::TlsOnly, HalfClose::TlsAndTcp] {
        let response =
            half_close::request_and_half_close(service.authority(), &service.ca(), request, end);
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{end:?}: {response}");
        assert!(response.ends_with("# EOF\n"), "{end:?}: {response}");
    }
}
