//! The private key of provided TLS.

use attestation::crypto::Sha384;

use super::config_folder::{CERTIFICATE, Folder, KEY, PROVIDED, RSA_CERTIFICATE, RSA_KEY};
use super::*;
use crate::pcr_extension::ConfigDigests;

const FALLBACK_SALT: [u8; SALT_LENGTH] = [9; SALT_LENGTH];

fn measure(folder: &Folder) -> ConfigDigests {
    folder.bundle().unwrap().measure(&FALLBACK_SALT).unwrap()
}

#[test]
fn private_key_is_only_in_the_full_archive() {
    let folder = Folder::new(PROVIDED);
    let bundle = folder.bundle().unwrap();
    let public = archive::decode(&bundle.public_archive().unwrap()).unwrap();
    let whole = archive::decode(&bundle.archive().unwrap()).unwrap();
    assert_eq!(
        public.keys().collect::<Vec<_>>(),
        ["enclave.toml", "tls.crt", "tls.key", "wallet.json"]
    );
    assert_eq!(
        (public["tls.key"].as_slice(), whole["tls.key"].as_slice()),
        (&b""[..], KEY.as_bytes())
    );
    assert_eq!(public["tls.crt"].as_slice(), CERTIFICATE.as_bytes());
    assert!(!bundle.contains_secret_or_private_key(&bundle.public_archive().unwrap()).unwrap());
    assert!(bundle.contains_secret_or_private_key(&bundle.archive().unwrap()).unwrap());
    assert!(bundle.has_all_secrets().unwrap());

    // A public archive has the same PCR16, but no service starts with it.
    let published =
        ConfigBundle::from_archive(Path::new("p.tar"), &bundle.public_archive().unwrap()).unwrap();
    assert_eq!(published.measure(&FALLBACK_SALT).unwrap().public, measure(&folder).public);
    folder.write("tls.key", "");
    assert!(!folder.bundle().unwrap().has_all_secrets().unwrap());
    assert!(folder.error_text().contains("the file contains no unencrypted private key"));
}

#[test]
fn private_key_is_in_pcr17_and_certificate_in_pcr16() {
    let folder = Folder::new(PROVIDED);
    let before = measure(&folder);
    folder.write("tls.key", RSA_KEY);
    let other = measure(&folder);
    assert_eq!(other.public, before.public);
    assert_ne!(other.secrets, before.secrets);
    folder.write("tls.crt", RSA_CERTIFICATE);
    let both = measure(&folder);
    assert_ne!(both.public, other.public);
    assert_eq!(both.secrets, other.secrets);
    fs::rename(folder.0.path().join("tls.key"), folder.0.path().join("t.key")).unwrap();
    folder
        .write("enclave.toml", sigv4(&[CREDENTIAL, PROVIDED].concat()).replace("tls.key", "t.key"));
    assert_ne!(measure(&folder).public, both.public);
    assert_eq!(measure(&folder).secrets, both.secrets);
}

/// Computes PCR17 by the documented format.
#[test]
fn pcr17_is_the_digest_of_salt_secrets_and_key() {
    let folder = Folder::new(PROVIDED);
    let mut secrets = "7".repeat(32).into_bytes();
    for secret in [SECRET, KEY] {
        secrets.extend(u64::try_from(secret.len()).unwrap().to_be_bytes());
        secrets.extend(secret.as_bytes());
    }
    assert_eq!(measure(&folder).secrets, Sha384::digest(&secrets));
}

#[test]
fn rejects_private_key_in_a_published_file() {
    let named_twice = "enclave.toml: private_key or pin_file names a file that another setting \
                       also names, so the secret would be published: use a separate file for each \
                       secret";
    for (from, to) in [
        ("\"tls.crt\"", "\"tls.key\""),
        ("[\"wallet.json\"]", "[\"wallet.json\", \"tls.key\"]"),
        ("[tls]", "[trust]\nanchors = [\"tls.key\"]\n[tls]"),
    ] {
        let folder = Folder::new(PROVIDED);
        let toml = sigv4(&[CREDENTIAL, PROVIDED].concat());
        let changed = toml.replacen(from, to, 1);
        assert_ne!(changed, toml, "{from}");
        folder.write("enclave.toml", changed);
        // The bundle is rejected on loading, before it can be measured or archived.
        assert_eq!(folder.without_folder(&folder.bundle().unwrap_err()), named_twice);
    }
    let encrypted = KEY.replace("PRIVATE", "ENCRYPTED PRIVATE");
    for key in [KEY, RSA_KEY, &encrypted] {
        let folder = Folder::new(PROVIDED);
        folder.write("tls.crt", [CERTIFICATE, key].concat());
        assert_eq!(
            folder.error_text(),
            "certificate: tls.crt: the file contains a private key, which would be published with the \
             certificates: move the key to another file"
        );
    }
}

#[test]
fn detects_private_key_in_public_archive() {
    for (key, certificate) in [
        (KEY, CERTIFICATE),
        (include_str!("../../../../tests/suite/keys/tls/p256.sec1.pem"), CERTIFICATE),
        (RSA_KEY, RSA_CERTIFICATE),
    ] {
        let folder = Folder::new(&[PROVIDED, "[trust]\nanchors = [\"beside\"]\n"].concat());
        folder.write("tls.crt", certificate);
        folder.write("tls.key", key);
        let is_found = |beside: &str| {
            folder.write("beside", beside);
            let bundle = folder.bundle().unwrap();
            bundle.contains_secret_or_private_key(&bundle.public_archive().unwrap()).unwrap()
        };
        assert!(!is_found(certificate));
        assert!(is_found(key));
        assert!(is_found(&key.replace('\n', "\r\n")));
        // Private keys of others are also detected.
        assert!(is_found(include_str!("../../../../tests/suite/keys/tls/ed25519.pkcs8.pem")));
        let lines = key.lines().filter(|line| !line.starts_with('-'));
        assert!(is_found(&lines.map(|line| format!("# {line}\n")).collect::<String>()));
    }
}

#[test]
fn errors_never_contain_a_misplaced_private_key() {
    let body = KEY.lines().nth(1).unwrap();
    for inline in [format!("'''{KEY}'''"), format!("\"{body}\"")] {
        let folder = Folder::new(&PROVIDED.replace("\"tls.key\"", &inline));
        for error in [
            folder.settings().unwrap_err(),
            folder.bundle().unwrap().measure(&FALLBACK_SALT).unwrap_err().into(),
            folder.bundle().unwrap().public_archive().unwrap_err().into(),
        ] {
            let text = folder.without_folder(&error);
            assert!(text.contains("cannot read the file that "), "{text}");
            assert!(!format!("{error} {error:?}").contains(body), "{error:?}");
        }
    }
}

#[test]
fn settings_debug_never_contains_the_private_key() {
    let der = {
        let body: String = RSA_KEY.lines().filter(|line| !line.starts_with('-')).collect();
        base64::Engine::decode(&base64::engine::general_purpose::STANDARD, body).unwrap()
    };
    let folder = Folder::new(PROVIDED);
    folder.write("tls.crt", RSA_CERTIFICATE);
    folder.write("tls.key", RSA_KEY);
    let shown = format!("{:?}", folder.settings().unwrap());
    assert!(shown.contains("Provided(CertifiedKey"), "{shown}");
    // The modulus is public. The private exponent and the primes follow it. This test checks both formats of `Debug`.
    for part in der[300..].chunks_exact(8) {
        assert!(!shown.contains(&const_hex::encode(part)), "{shown}");
        let list = format!("{part:?}");
        assert!(!shown.contains(list.trim_matches(['[', ']'])), "{shown}");
    }
}
