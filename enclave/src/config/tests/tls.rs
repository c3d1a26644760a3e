//! The table `[tls]`.

use rustls::SignatureAlgorithm;

use super::config_folder::{CERTIFICATE, Folder, KEY, PROVIDED, RSA_CERTIFICATE, RSA_KEY};
use super::*;
use crate::tls::TlsSettings;

/// The error for a table without `mode`.
const NO_MODE: &str = "mode is missing: write mode = \"attested\" with names (TLS ends in the \
                       enclave, which generates the private key), mode = \"provided\" with \
                       certificate and private_key (the operator holds the private key), or mode = \
                       \"off\" (no TLS: the relay and the network can read and change requests \
                       and responses)";

fn attested(names: &str) -> Folder {
    Folder::new(&format!("[tls]\nmode = \"attested\"\nnames = {names}\n"))
}

/// Returns the PEM without its last line.
fn cut(pem: &str) -> String {
    let (cut, _) = pem.split_once("-----END").unwrap();
    cut.to_owned()
}

#[test]
fn production_rejects_a_missing_tls_mode() {
    for text in ["", "[tls]\n"] {
        assert_eq!(Folder::new(text).error_text(), NO_MODE, "{text}");
    }
    assert!(matches!(Folder::new(TLS_OFF).tls(), TlsSettings::Off));
}

#[test]
fn tls_is_off_by_default_in_development() {
    for text in ["", "[tls]\n", TLS_OFF] {
        let settings = settings(text, Profile::Development).unwrap();
        assert!(matches!(settings.tls, TlsSettings::Off), "{text}");
    }
}

#[test]
fn other_tls_keys_need_a_mode_in_development() {
    for key in ["names = [\"a\"]", "certificate = \"wallet.json\"", "private_key = \"key\""] {
        let error = error_text(&format!("[tls]\n{key}\n"), Profile::Development);
        assert_eq!(error, format!("[tls] {NO_MODE}"), "{key}");
    }
}

#[test]
fn attested_tls_accepts_dns_names_and_addresses() {
    let names = r#"["localhost", "10.0.0.5", "kms.eu-west-1.amazonaws.com", "::1", "A-1.example"]"#;
    let TlsSettings::Attested { names } = attested(names).tls() else { panic!() };
    let names: Vec<_> = names.iter().map(|name| name.to_str().into_owned()).collect();
    assert_eq!(
        names,
        ["localhost", "10.0.0.5", "kms.eu-west-1.amazonaws.com", "::1", "A-1.example"]
    );
    let many = |number: usize| {
        let names: Vec<_> = (0..number).map(|index| format!("\"n{index}\"")).collect();
        attested(&format!("[{}]", names.join(",")))
    };
    assert!(matches!(many(100).tls(), TlsSettings::Attested { names } if names.len() == 100));
    assert_eq!(many(101).error_text(), "names has more than 100 entries: remove some");
}

#[test]
fn attested_tls_rejects_invalid_names() {
    let none = "mode \"attested\" needs names: list the names that clients connect to, such as \
                names = [\"localhost\"]";
    assert_eq!(attested("[]").error_text(), none);
    assert_eq!(Folder::new("[tls]\nmode = \"attested\"\n").error_text(), none);
    for name in [
        "",
        "*",
        "*.example",
        "a b",
        "localhost:8443",
        "https://localhost",
        "[::1]",
        "10.0.0.0/8",
        "10.0.0.256",
        "localhost.",
        "-a",
        "ü",
        "a..b",
    ] {
        for (number, names) in [(1, format!("['{name}', 'b']")), (2, format!("['b', '{name}']"))] {
            let expected = format!(
                "names, entry {number}, is not a DNS name or an IP address: use one such as \
                 \"localhost\" or \"10.0.0.5\", without *, a port, or a final dot"
            );
            assert_eq!(attested(&names).error_text(), expected, "{name}");
        }
    }
    for names in ["['a', 'b', 'a']", "['a', 'b', 'A']", "['::1', 'b', '0:0::1']"] {
        let expected = "names, entry 3: entry 1 is the same name: remove one of them";
        assert_eq!(attested(names).error_text(), expected, "{names}");
    }
}

#[test]
fn rejects_tls_keys_of_another_mode() {
    let names = "names needs mode \"attested\": write that mode, or remove names";
    let files = "certificate and private_key need mode \"provided\": write that mode, or remove \
                 them";
    let no_files =
        "mode \"provided\" needs both certificate and private_key: set each to a PEM file";
    for (text, expected) in [
        ("names = [\"localhost\"]", NO_MODE),
        ("names = []", NO_MODE),
        ("certificate = \"tls.crt\"", NO_MODE),
        ("private_key = \"tls.key\"", NO_MODE),
        ("mode = \"off\"\nnames = []", names),
        ("mode = \"provided\"\nnames = []\ncertificate = \"tls.crt\"", names),
        ("mode = \"off\"\ncertificate = \"tls.crt\"", files),
        ("mode = \"off\"\nprivate_key = \"tls.key\"", files),
        ("mode = \"attested\"\nnames = [\"a\"]\nprivate_key = \"tls.key\"", files),
        ("mode = \"provided\"", no_files),
        ("mode = \"provided\"\ncertificate = \"tls.crt\"", no_files),
        ("mode = \"provided\"\nprivate_key = \"tls.key\"", no_files),
    ] {
        assert_eq!(Folder::new(&format!("[tls]\n{text}\n")).error_text(), expected, "{text}");
    }
    let error = load("[tls]\nmode = \"on\"\n").unwrap_err().to_string();
    let expected = "line 2 column 8: found an unknown string (not shown, it may be a secret), \
                    expected one of `off`, `attested`, `provided`";
    assert!(error.ends_with(expected), "{error}");
}

#[test]
fn provided_tls_accepts_every_key_format() {
    let folder = Folder::new(PROVIDED);
    for (key, certificate, algorithm) in [
        (KEY, CERTIFICATE, SignatureAlgorithm::ECDSA),
        (
            include_str!("../../../../tests/suite/keys/tls/p256.sec1.pem"),
            CERTIFICATE,
            SignatureAlgorithm::ECDSA,
        ),
        (RSA_KEY, RSA_CERTIFICATE, SignatureAlgorithm::RSA),
        (
            include_str!("../../../../tests/suite/keys/tls/rsa.pkcs8.pem"),
            RSA_CERTIFICATE,
            SignatureAlgorithm::RSA,
        ),
        (
            include_str!("../../../../tests/suite/keys/tls/ed25519.pkcs8.pem"),
            include_str!("../../../../tests/suite/keys/tls/ed25519.crt.pem"),
            SignatureAlgorithm::ED25519,
        ),
    ] {
        folder.write("tls.key", key);
        folder.write("tls.crt", [certificate, CERTIFICATE].concat());
        let TlsSettings::Provided(certified) = folder.tls() else { panic!() };
        assert_eq!((certified.cert.len(), certified.key.algorithm()), (2, algorithm));
        assert_eq!(certified.keys_match(), Ok(()));
    }
}

#[test]
fn provided_tls_rejects_mismatched_key_and_certificate() {
    let key = "private_key: ";
    let no_key = "the file contains no unencrypted private key in PEM: use PKCS#8, PKCS#1 or SEC1";
    let other = "private_key does not match the first certificate in the file that certificate \
                 names: put the server's certificate first, then its chain";
    let absent = "certificate: tls.crt: the file contains no CERTIFICATE section: write the certificate in PEM";
    let broken = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    for (name, content, expected) in [
        ("tls.crt", "", absent),
        ("tls.crt", "CERTIFICATE", absent),
        ("tls.crt", &cut(CERTIFICATE), "certificate: tls.crt: the file is not valid PEM"),
        (
            "tls.crt",
            broken,
            "certificate: tls.crt: a certificate in the file is not a valid X.509 v3 certificate",
        ),
        ("tls.crt", RSA_CERTIFICATE, other),
        ("tls.crt", &[RSA_CERTIFICATE, CERTIFICATE].concat(), other),
        ("tls.key", RSA_KEY, other),
        ("tls.key", "", &[key, no_key].concat()),
        ("tls.key", CERTIFICATE, &[key, no_key].concat()),
        (
            "tls.key",
            &KEY.repeat(2),
            &[key, "the file contains more than one private key: keep only one"].concat(),
        ),
        (
            "tls.key",
            &cut(KEY),
            &[key, "the private key is encrypted or is not valid PEM: write an unencrypted key"]
                .concat(),
        ),
        (
            "tls.key",
            include_str!("../../../../tests/suite/keys/tls/secp256k1.pkcs8.pem"),
            &[
                key,
                "the type of the private key is not supported: use RSA of 2048 bits or \
                 more, ECDSA over P-256 or P-384, or Ed25519",
            ]
            .concat(),
        ),
    ] {
        let folder = Folder::new(PROVIDED);
        folder.write(name, content);
        assert_eq!(folder.error_text(), *expected, "{name}: {content}");
    }
    for (name, expected) in [
        ("tls.crt", "certificate: tls.crt: No such file or directory (os error 2)"),
        (
            "tls.key",
            "cannot read the file that private_key names: No such file or directory (os error 2)",
        ),
    ] {
        let folder = Folder::new(PROVIDED);
        fs::remove_file(folder.0.path().join(name)).unwrap();
        assert_eq!(folder.error_text(), expected);
    }
}

#[test]
fn warns_30_days_before_certificate_expiry() {
    let folder = Folder::new(PROVIDED);
    let texts = |now: &str| {
        let now = UnixMillis::from_rfc3339(now).unwrap();
        let warnings = folder.settings().unwrap().warnings.into_iter();
        let texts: Vec<_> = warnings
            .filter(|warning| warning.applies_at(now))
            .map(|warning| warning.to_string())
            .collect();
        texts
    };
    let expected = "[tls] certificate expires at 2126-01-01T00:00:00Z: deploy a configuration \
                    with a new one";
    assert_eq!(texts("2125-12-01T23:59:59Z"), [""; 0]);
    assert_eq!(texts("2125-12-02T00:00:00Z"), [expected]);
    assert_eq!(texts("2127-01-01T00:00:00Z"), [expected]);
}

/// Rejects a binary file, which may contain a DER key that would be published.
#[test]
fn rejects_binary_certificate_file() {
    let folder = Folder::new(PROVIDED);
    folder.write("tls.crt", [CERTIFICATE.as_bytes(), &[0x30, 0x81, 0x87, 2, 1, 0]].concat());
    assert_eq!(folder.error_text(), "certificate: tls.crt: the file is not valid PEM");
}

#[test]
fn documented_tls_tables_are_valid() {
    let page = include_str!("../../../../docs/configuration.md");
    let blocks = page.split("```toml\n").filter(|block| block.starts_with("[tls]\n"));
    let texts: Vec<_> = blocks.map(|block| block.split_once("```").unwrap().0).collect();
    let [attested, provided] = texts[..] else { panic!("{texts:?}") };
    assert!(
        matches!(Folder::new(attested).tls(), TlsSettings::Attested { names } if names.len() == 3)
    );
    assert!(matches!(Folder::new(provided).tls(), TlsSettings::Provided(_)));
}
