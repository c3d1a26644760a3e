use std::fs;

use attestation::tls::certificate_pem;
use rustls::version::{TLS12, TLS13};

use crate::enclave::{Enclave, authority, pcr0};
use crate::tls_terminator::TlsTerminator;
use crate::trust_command::{trust, trust_with_root};

const MODULE_ID: &str = "simulated-i-00000000000000000-enc0000000000000000";

fn lines(url: &str, enclave: &Enclave) -> (String, String) {
    let digest = const_hex::encode(enclave.authority.key_digest());
    let pem = certificate_pem(enclave.authority.certificate());
    (format!("{url} {MODULE_ID} {digest}\n"), format!("# {url} {MODULE_ID}\n{pem}"))
}

#[test]
fn writes_the_ca_of_a_verified_enclave() {
    let enclave = Enclave::start();
    let url = enclave.url();
    let outcome = trust_with_root(&format!("{url}/"), &enclave, &[]);
    let (line, bundle) = lines(&url, &enclave);
    assert_eq!((outcome.status, outcome.stdout), (0, line), "{}", outcome.stderr);
    assert_eq!(outcome.bundle, Some(bundle));
    // The option `--root` does not turn a simulator into an enclave of AWS.
    assert!(outcome.stderr.contains("THIS IS A SIMULATOR"), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("is not valid for"), "{}", outcome.stderr);
}

#[test]
fn accepts_each_tls_version_and_host_form() {
    let enclave = Enclave::start();
    for (listen, host) in
        [("127.0.0.1:0", "127.0.0.1"), ("127.0.0.1:0", "localhost"), ("[::1]:0", "[::1]")]
    {
        for version in [&TLS12, &TLS13] {
            let certified = enclave.certified.clone();
            let terminator =
                TlsTerminator::at(listen, &[version], certified, enclave.plain_address);
            let url = format!("https://{host}:{}", terminator.address.port());
            let outcome = trust_with_root(&url, &enclave, &[]);
            assert_eq!(outcome.status, 0, "{url}: {}", outcome.stderr);
            assert!(!outcome.stderr.contains("is not valid for"), "{url}: {}", outcome.stderr);
        }
    }
}

#[test]
fn accepts_simulator_with_a_warning() {
    let enclave = Enclave::start();
    for more in [&["--pcr", &pcr0()][..], &[]] {
        let outcome = trust(&[&[&enclave.url(), "--simulator"], more].concat());
        assert_eq!(outcome.status, 0, "{}", outcome.stderr);
        assert_eq!(outcome.bundle, Some(lines(&enclave.url(), &enclave).1));
        assert!(outcome.stderr.contains("NOTHING IS PROVED"), "{}", outcome.stderr);
        let is_warned_of =
            outcome.stderr.contains("no measurement is compared: any enclave passes");
        assert_eq!(is_warned_of, more.is_empty(), "{}", outcome.stderr);
    }
}

#[test]
fn reads_measurements_from_each_file_format() {
    let enclave = Enclave::with_document(|document| {
        document.pcrs.insert(16, [0xb6; 48]);
    });
    let folder = tempfile::tempdir().unwrap();
    let hex = |byte: u8| const_hex::encode([byte; 48]);
    for image in [
        serde_json::json!({ "PCR0": hex(0xa5), "commit": "c0ffee", "toolchain": "1.95" }),
        serde_json::json!({ "Measurements": { "HashAlgorithm": "Sha384 { ... }", "PCR0": hex(0xa5) } }),
        serde_json::json!({
            "EifVersion": 4, "IsSigned": false, "Measurements": { "PCR0": hex(0xa5) }
        }),
    ] {
        let (image_path, config_path) =
            (folder.path().join("pcrs.json"), folder.path().join("config.json"));
        fs::write(&image_path, image.to_string()).unwrap();
        let run = |pcr16: u8| {
            let config = serde_json::json!({ "PCR16": hex(pcr16), "PCR17": null });
            fs::write(&config_path, config.to_string()).unwrap();
            let (image, config) = (image_path.to_str().unwrap(), config_path.to_str().unwrap());
            let (url, root) = (enclave.url(), enclave.root());
            trust(&[
                &url,
                "--simulator",
                "--root",
                &root,
                "--pcrs-file",
                image,
                "--pcrs-file",
                config,
            ])
        };
        let outcome = run(0xb6);
        assert_eq!(outcome.status, 0, "{image}: {}", outcome.stderr);
        assert!(!outcome.stderr.contains("PCR0"), "{}", outcome.stderr);
        let expected = format!("PCR16 is {}, not {}", hex(0xb6), hex(0xb7));
        run(0xb7).assert_fails(14, &expected);
    }
}

#[test]
fn warns_of_host_missing_from_the_certificate() {
    let enclave = Enclave::with(authority(&["kms.eu-west-1.amazonaws.com"]), |_| (), |_| ());
    let outcome = trust_with_root(&enclave.url(), &enclave, &[]);
    assert_eq!(outcome.status, 0, "{}", outcome.stderr);
    let expected =
        "not valid for 127.0.0.1, so clients will reject it: add \"127.0.0.1\" to names in [tls]";
    assert!(outcome.stderr.contains(expected), "{}", outcome.stderr);
}

#[test]
fn warns_when_only_settable_pcrs_are_compared() {
    let enclave = Enclave::with_document(|document| {
        document.pcrs.insert(16, [0xb6; 48]);
    });
    let pcr16 = format!("16={}", "b6".repeat(48));
    let outcome =
        trust(&[&enclave.url(), "--simulator", "--root", &enclave.root(), "--pcr", &pcr16]);
    assert_eq!(outcome.status, 0, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("neither PCR0"), "{}", outcome.stderr);
}
