//! Tests of clients of the service over TLS.

use std::fs;
use std::process::Output;

use attested_recipient::{Client, ClientError, Document, RecipientKey, Simulator};
use enclave::tls::Authority;

use crate::enclave::{authority, now};
use crate::tls_terminator::TlsTerminator;

/// A simulator behind TLS, and its CA.
struct Service {
    _simulator: Simulator,
    terminator: TlsTerminator,
    authority: Authority,
}

impl Service {
    fn start(listen: &str, names: &[&str]) -> Self {
        let simulator = Simulator::start().unwrap();
        let authority = authority(names);
        let certified = authority.issue(now()).unwrap().certified;
        let versions = rustls::ALL_VERSIONS;
        let terminator = TlsTerminator::at(listen, versions, certified, simulator.address());
        Self { _simulator: simulator, terminator, authority }
    }

    fn url(&self, host: &str) -> String {
        format!("https://{host}:{}", self.terminator.address.port())
    }

    fn client(&self, host: &str) -> Client {
        let pem = self.authority.certificate_pem();
        suite::client(&self.url(host)).with_ca_certificates(pem.as_bytes()).unwrap()
    }
}

#[test]
fn client_connects_by_each_host_form() {
    for (listen, names, hosts) in [
        ("127.0.0.1:0", &["localhost"][..], &["localhost"][..]),
        ("127.0.0.1:0", &["localhost", "127.0.0.1"], &["localhost", "127.0.0.1"]),
        ("[::1]:0", &["::1"], &["[::1]"]),
    ] {
        let service = Service::start(listen, names);
        for host in hosts {
            let client = service.client(host);
            let key = RecipientKey::generate().unwrap();
            let document = client.document(&Document::for_key(&key)).unwrap();
            let sealed = client.generate_random_for(32, &document).unwrap();
            assert_eq!(key.open(&sealed).unwrap().len(), 32, "{host}");
        }
    }
}

fn error(client: &Client) -> String {
    client.generate_random(1).unwrap_err().to_string()
}

#[test]
fn client_rejects_other_ca_other_name_and_plain_http() {
    let service = Service::start("127.0.0.1:0", &["localhost"]);
    let other = authority(&["localhost"]).certificate_pem();
    let client =
        suite::client(&service.url("localhost")).with_ca_certificates(other.as_bytes()).unwrap();
    let error = error(&client);
    assert!(error.contains("the enclave restarted, or another server answers"), "{error}");
    let error = self::error(&service.client("127.0.0.1"));
    assert!(error.contains("not valid for name"), "{error}");
    let plain = suite::client("http://127.0.0.1:1").with_ca_certificates(other.as_bytes());
    let error = plain.unwrap_err().to_string();
    assert!(error.contains("CA certificates require https"), "{error}");
}

/// The certificate of the TLS terminator has another key than the enclave attests.
#[test]
fn client_without_ca_requires_attested_tls() {
    let service = Service::start("127.0.0.1:0", &["localhost"]);
    let error = error(&suite::client(&service.url("localhost")));
    assert!(error.contains("rejected: the enclave's document attests no TLS key"), "{error}");
}

#[test]
fn client_rejects_invalid_ca_certificates() {
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (pem, expected) in [
        ("", "no CERTIFICATE section"),
        (garbage, "not an X.509 certificate"),
        ("-----BEGIN CERTIFICATE-----\n", "malformed PEM"),
    ] {
        let error = suite::client("https://h").with_ca_certificates(pem.as_bytes()).unwrap_err();
        assert!(matches!(error, ClientError::InvalidAuthority(_)), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

fn run(arguments: &[&str]) -> Output {
    suite::command().args(arguments).output().unwrap()
}

#[test]
fn commands_accept_the_ca_bundle() {
    let service = Service::start("127.0.0.1:0", &["localhost"]);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (ca, key, document) = (path("ca.pem"), path("key.der"), path("document.bin"));
    fs::write(&ca, service.authority.certificate_pem()).unwrap();
    fs::write(&key, RecipientKey::generate().unwrap().public_key_der()).unwrap();
    let url = service.url("localhost");

    let random = ["random", "--simulator", "--bytes", "16"];
    let output = run(&[&random[..], &["--endpoint", &url, "--ca", &ca]].concat());
    assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 33), "{output:?}");
    let order = ["document", "--public-key", &key, "--out", &document, "--endpoint", &url];
    let output = run(&[&order[..], &["--ca", &ca]].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(!fs::read(&document).unwrap().is_empty());

    for (arguments, status, message) in [
        (&["--endpoint", &url][..], 1, "attests no TLS key"),
        (&["--endpoint", "http://127.0.0.1:1", "--ca", &ca], 2, "write https://HOST:PORT"),
        (&["--endpoint", &url, "--ca", &key], 2, "no CERTIFICATE section"),
        (&["--endpoint", &url, "--ca", "/does/not/exist"], 2, "/does/not/exist"),
        (&["--endpoint", "https://localhost/path"], 2, "without a path"),
    ] {
        let output = run(&[&random, arguments].concat());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{stderr}");
        assert!(stderr.contains(message), "{stderr}");
    }
}
