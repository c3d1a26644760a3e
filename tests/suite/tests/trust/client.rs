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
        Client::new(&self.url(host)).with_ca_certificates(pem.as_bytes()).unwrap()
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

fn transport_error(client: &Client) -> String {
    match client.generate_random(1).unwrap_err() {
        ClientError::Transport { error, .. } => error.to_string(),
        other => other.to_string(),
    }
}

#[test]
fn client_rejects_other_ca_other_name_and_plain_http() {
    let service = Service::start("127.0.0.1:0", &["localhost"]);
    let other = authority(&["localhost"]).certificate_pem();
    let client =
        Client::new(&service.url("localhost")).with_ca_certificates(other.as_bytes()).unwrap();
    let error = transport_error(&client);
    assert!(error.contains("the enclave restarted, or another server answers"), "{error}");
    let error = transport_error(&service.client("127.0.0.1"));
    assert!(error.contains("not valid for name"), "{error}");
    let plain = Client::new("http://127.0.0.1:1").with_ca_certificates(other.as_bytes()).unwrap();
    let error = transport_error(&plain);
    assert!(error.contains("https only"), "{error}");
}

#[test]
fn client_requires_a_ca_for_https() {
    let error = Client::new("https://127.0.0.1:1").generate_random(1).unwrap_err();
    assert!(matches!(error, ClientError::NoAuthority { .. }), "{error}");
    assert!(error.to_string().contains("attested-recipient trust"), "{error}");
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (pem, expected) in [
        ("", "no CERTIFICATE section"),
        (garbage, "not an X.509 certificate"),
        ("-----BEGIN CERTIFICATE-----\n", "malformed PEM"),
    ] {
        let error = Client::new("https://h").with_ca_certificates(pem.as_bytes()).unwrap_err();
        assert!(
            matches!(error, ClientError::InvalidAuthority(case) if case == expected),
            "{error}"
        );
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

    let output = run(&["random", "--endpoint", &url, "--ca", &ca, "--bytes", "16"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 33), "{output:?}");
    let order = ["document", "--public-key", &key, "--out", &document, "--endpoint", &url];
    let output = run(&[&order[..], &["--ca", &ca]].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(!fs::read(&document).unwrap().is_empty());

    for (arguments, message) in [
        (&["--endpoint", &url][..], "attested-recipient trust https://localhost:"),
        (&["--endpoint", "http://127.0.0.1:1", "--ca", &ca], "write https://HOST:PORT"),
        (&["--endpoint", &url, "--ca", &key], "no CERTIFICATE section"),
        (&["--endpoint", &url, "--ca", "/does/not/exist"], "/does/not/exist"),
    ] {
        let output = run(&[&["random", "--bytes", "16"], arguments].concat());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(message), "{stderr}");
    }
}
