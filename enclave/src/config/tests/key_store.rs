//! The tables `[[key_store]]`.

use std::time::Duration;

use super::config_folder::{CERTIFICATE, Folder, KEY};
use super::*;
use crate::key_store::{KeyStoreKind, KeyStoreSettings, Pin, Token};

pub(super) const PIN: &str = "crypto_user:0pen-sesame";

pub(super) const HSM: &str = r#"[[key_store]]
id = "cks-1234567890abcdef0"
name = "vault"
type = "AWS_CLOUDHSM"
module = "/usr/lib/softhsm/libsofthsm2.so"
token_label = "vault"
pin_file = "pin"
cluster_id = "cluster-1a23b4cdefg"
"#;

const EXTERNAL: &str = r#"[[key_store]]
id = "cks-x"
name = "elsewhere"
type = "EXTERNAL_KEY_STORE"
uri = "https://xks.example.com/kms/xks/v1"
"#;

pub(super) fn folder(toml: &str) -> Folder {
    let folder = Folder::without_tls(toml);
    folder.write("pin", PIN);
    folder.write("ca.crt", CERTIFICATE);
    folder
}

fn stores(toml: &str) -> Vec<KeyStoreSettings> {
    folder(toml).settings().unwrap().key_stores
}

fn error_text(toml: &str) -> String {
    folder(toml).error_text().replace("enclave.toml: ", "")
}

/// Returns the error for `store`, with `line` in place of the line with the same key.
pub(super) fn store_error_with(store: &str, line: &str) -> String {
    let (key, _) = line.split_once(" =").unwrap();
    let mut lines: Vec<_> =
        store.lines().filter(|other| !other.starts_with(&format!("{key} ="))).collect();
    lines.push(line);
    store_error(&lines.join("\n"))
}

pub(super) fn store_error(toml: &str) -> String {
    let error = error_text(toml);
    error.strip_prefix("[[key_store]] number 1: ").unwrap_or(&error).to_owned()
}

pub(super) fn without(store: &str, key: &str) -> String {
    let lines = store.lines().filter(|line| !line.starts_with(&format!("{key} =")));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn key_stores_are_empty_by_default() {
    assert!(stores("").is_empty());
}

#[test]
fn reads_hsm_key_store() {
    let [hsm, external] = &stores(&[HSM, EXTERNAL].concat())[..] else { panic!() };
    assert_eq!((&*hsm.id, &*hsm.name), ("cks-1234567890abcdef0", "vault"));
    let KeyStoreKind::Hsm(hsm) = &hsm.kind else { panic!("{hsm:?}") };
    assert_eq!(hsm.module, Path::new("/usr/lib/softhsm/libsofthsm2.so"));
    assert_eq!(hsm.token, Token::Label("vault".to_owned()));
    assert!(matches!(&hsm.pin, Pin::Known(pin) if ***pin == *PIN.as_bytes()));
    assert_eq!(hsm.cluster_id, "cluster-1a23b4cdefg");
    assert_eq!((&hsm.trust_anchor_certificate, hsm.connect), (&None, true));
    assert_eq!(hsm.deadline, Duration::from_millis(500));
    let KeyStoreKind::External(proxy) = &external.kind else { panic!("{external:?}") };
    assert_eq!((&*proxy.endpoint, &*proxy.path), ("https://xks.example.com", "/kms/xks/v1"));

    let other = without(&without(HSM, "token_label"), "pin_file")
        + "\nslot = 404535067\npin_env = \"HSM_PIN\"\ndeadline_ms = 60000\nconnect = false\n\
           trust_anchor_certificate = \"ca.crt\"\n";
    let [other] = &stores(&other)[..] else { panic!() };
    let KeyStoreKind::Hsm(hsm) = &other.kind else { panic!("{other:?}") };
    assert_eq!((&hsm.token, hsm.connect), (&Token::Slot(404_535_067), false));
    assert!(matches!(&hsm.pin, Pin::Environment(name) if name == "HSM_PIN"));
    assert_eq!(hsm.deadline, Duration::from_secs(60));
    assert_eq!(hsm.trust_anchor_certificate.as_deref(), Some(CERTIFICATE));
}

#[test]
fn rejects_invalid_key_store_ids_and_names() {
    let id = "id is invalid: use cks- and 1 to 60 letters, digits or hyphens, such as \
              \"cks-1234567890abcdef0\"";
    let long = "a".repeat(61);
    for wrong in ["", "cks-", "vault", "CKS-1", "cks-a b", "cks-ä", &format!("cks-{long}")] {
        assert_eq!(store_error_with(HSM, &format!("id = \"{wrong}\"")), id, "{wrong}");
    }
    let name = "name is invalid: use 1 to 256 characters, without control characters";
    for wrong in ["", "a\\nb", &"ä".repeat(257)] {
        assert_eq!(store_error_with(HSM, &format!("name = \"{wrong}\"")), name, "{wrong}");
    }
    assert_eq!(
        stores(&HSM.replace("vault\"\ntype", &format!("{}\"\ntype", "ä".repeat(256)))).len(),
        1
    );
    let cluster = "cluster_id is invalid: use cluster- and 11 to 16 letters or digits, such as \
                   \"cluster-1a23b4cdefg\"";
    for wrong in [
        "",
        "cluster-",
        "cluster-1a23b4cdef",
        "1a23b4cdefg",
        "cluster-1a23b4cdef_",
        "cluster-1a23b4cdefghijklm",
    ] {
        assert_eq!(store_error_with(HSM, &format!("cluster_id = \"{wrong}\"")), cluster, "{wrong}");
    }
}

#[test]
fn rejects_missing_or_unused_keys_per_type() {
    for key in ["module", "cluster_id"] {
        assert_eq!(store_error(&without(HSM, key)), format!("type \"AWS_CLOUDHSM\" needs {key}"));
    }
    assert_eq!(store_error(&without(EXTERNAL, "uri")), "type \"EXTERNAL_KEY_STORE\" needs uri");
    let uri = "uri = \"https://xks.example.com/kms/xks/v1\"";
    assert_eq!(store_error_with(HSM, uri), "uri is not for type \"AWS_CLOUDHSM\": remove it");
    for line in [
        "module = \"/a\"",
        "token_label = \"a\"",
        "slot = 0",
        "pin_file = \"pin\"",
        "pin_env = \"PIN\"",
        "cluster_id = \"cluster-1a23b4cdefg\"",
        "trust_anchor_certificate = \"ca.crt\"",
        "deadline_ms = 500",
        "connect = false",
    ] {
        let (key, _) = line.split_once(' ').unwrap();
        let unused = format!("{key} is not for type \"EXTERNAL_KEY_STORE\": remove it");
        assert_eq!(store_error_with(EXTERNAL, line), unused);
    }
    let token = "set exactly one of token_label and slot, which select the token";
    assert_eq!(store_error(&without(HSM, "token_label")), token);
    assert_eq!(store_error_with(HSM, "slot = 0"), token);
    let pin = "set exactly one of pin_file and pin_env, which provide the user's PIN";
    assert_eq!(store_error(&without(HSM, "pin_file")), pin);
    assert_eq!(store_error_with(HSM, "pin_env = \"PIN\""), pin);
}

#[test]
fn rejects_unknown_values_without_repeating_them() {
    for (line, expected) in [
        (
            "type = \"SECRET\"",
            "found an unknown string (not shown, it may be a secret), expected `AWS_CLOUDHSM` or",
        ),
        ("pin = \"SECRET\"", "unknown field `pin`"),
        ("deadline_ms = 9", "expected a whole number from 10 to 60000"),
        ("deadline_ms = 60001", "expected a whole number from 10 to 60000"),
        ("slot = -1", "expected u64"),
        ("connect = \"SECRET\"", "found a string, expected a boolean"),
    ] {
        let error = store_error_with(HSM, line);
        assert!(error.contains(expected) && !error.contains("SECRET"), "{line}: {error}");
    }
}

#[test]
fn rejects_invalid_module_path_or_token_label() {
    let relative = "module is not an absolute path: use one such as \
                    \"/usr/lib/softhsm/libsofthsm2.so\"";
    for wrong in ["libsofthsm2.so", "./a.so", ""] {
        assert_eq!(store_error_with(HSM, &format!("module = \"{wrong}\"")), relative);
    }
    let label = "token_label is invalid: use 1 to 32 bytes, without a space at the end";
    for wrong in ["", "vault ", &"a".repeat(33), &"ä".repeat(17)] {
        assert_eq!(store_error_with(HSM, &format!("token_label = \"{wrong}\"")), label);
    }
}

#[test]
fn rejects_xks_proxy_uri_outside_the_api_model() {
    let rule = "uri is invalid: use https://, a host name, and a path that ends in /kms/xks/v1 or \
                another version, such as \"https://xks.example.com/kms/xks/v1\"";
    let long = "a".repeat(121);
    for wrong in [
        "",
        "http://xks.example.com/kms/xks/v1",
        "https://xks.example.com",
        "https:///kms/xks/v1",
        "https://xks.example.com:8443/kms/xks/v1",
        "https://user@xks.example.com/kms/xks/v1",
        "https://xks.example.com/kms/xks/v",
        "https://xks.example.com/kms/xks/v123",
        "https://xks.example.com/kms/xks/v1/",
        "https://xks.example.com//kms/xks/v1",
        "https://xks.example.com/a?b/kms/xks/v1",
        &format!("https://{long}/kms/xks/v1"),
        &format!("https://xks.example.com/{long}/kms/xks/v1"),
    ] {
        assert_eq!(store_error_with(EXTERNAL, &format!("uri = \"{wrong}\"")), rule, "{wrong}");
    }
    for uri in ["https://a.b/kms/xks/v1", "https://a.b/c/d_e-f/kms/xks/v12"] {
        let toml = EXTERNAL.replace("https://xks.example.com/kms/xks/v1", uri);
        let [store] = &stores(&toml)[..] else { panic!() };
        let KeyStoreKind::External(proxy) = &store.kind else { panic!() };
        assert_eq!(format!("{}{}", proxy.endpoint, proxy.path), uri);
    }
}

#[test]
fn rejects_key_stores_that_share_an_identifier() {
    let second = HSM
        .replace("cks-1234567890abcdef0", "cks-2")
        .replace("name = \"vault\"", "name = \"second\"")
        .replace("token_label = \"vault\"", "token_label = \"second\"")
        .replace("1a23b4cdefg", "2b34c5defgh");
    assert_eq!(stores(&[HSM, &second].concat()).len(), 2);
    for (own, line) in [
        ("id = \"cks-2\"", "id = \"cks-1234567890abcdef0\""),
        ("name = \"second\"", "name = \"vault\""),
        ("token_label = \"second\"", "token_label = \"vault\""),
        ("cluster_id = \"cluster-2b34c5defgh\"", "cluster_id = \"cluster-1a23b4cdefg\""),
    ] {
        let (key, _) = line.split_once(' ').unwrap();
        let error = format!(
            "[[key_store]] number 2: {key} is the same as in number 1: use a different one for \
             each key store"
        );
        let second = second.replace(own, line);
        assert_eq!(error_text(&[HSM, &second].concat()), error);
    }
    let many = |count: usize| {
        let store = |index| {
            EXTERNAL
                .replace("cks-x", &format!("cks-{index}"))
                .replace("elsewhere", &format!("{index}"))
        };
        (0..count).map(store).collect::<String>()
    };
    assert_eq!(stores(&many(100)).len(), 100);
    assert_eq!(error_text(&many(101)), "there are more than 100 [[key_store]] tables: remove some");
}

#[test]
fn rejects_trust_anchor_outside_the_api_model() {
    let line = "trust_anchor_certificate = \"ca.crt\"\n";
    let error_of = |pem: &str| {
        let folder = folder(&[HSM, line].concat());
        folder.write("ca.crt", pem);
        folder.error_text().replace("enclave.toml: [[key_store]] number 1: ", "")
    };
    for (pem, why) in [
        ("", "the file contains no CERTIFICATE section"),
        (&[CERTIFICATE, KEY].concat(), "the file contains a private key"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "a certificate in the file is not a valid X.509 v3 certificate",
        ),
        (&CERTIFICATE.repeat(12), "the file has more than 5000 characters"),
    ] {
        let error = error_of(pem);
        assert!(error.starts_with("trust_anchor_certificate: ca.crt: "), "{error}");
        assert!(error.contains(why), "{error}");
    }
    let absent = store_error(&[HSM, "trust_anchor_certificate = \"absent\"\n"].concat());
    assert!(absent.starts_with("trust_anchor_certificate: absent: No such file"), "{absent}");
}
