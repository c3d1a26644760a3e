//! What becomes of a private key.

use attestation::crypto::Sha384;

use super::config_folder::{CERTIFICATE, Folder, KEY, PROVIDED, RSA_CERTIFICATE, RSA_KEY};
use super::*;
use crate::config_pcrs::ConfigDigests;

const FRESH: [u8; SALT_LENGTH] = [9; SALT_LENGTH];

fn measured(folder: &Folder) -> ConfigDigests {
    folder.files().unwrap().measure(&FRESH).unwrap()
}

#[test]
fn a_key_is_in_no_public_archive_and_in_the_whole_one() {
    let folder = Folder::new(PROVIDED);
    let files = folder.files().unwrap();
    let public = archive::decode(&files.public_archive().unwrap()).unwrap();
    let whole = archive::decode(&files.archive().unwrap()).unwrap();
    assert_eq!(
        public.keys().collect::<Vec<_>>(),
        ["enclave.toml", "tls.crt", "tls.key", "wallet.json"]
    );
    assert_eq!(
        (public["tls.key"].as_slice(), whole["tls.key"].as_slice()),
        (&b""[..], KEY.as_bytes())
    );
    assert_eq!(public["tls.crt"].as_slice(), CERTIFICATE.as_bytes());
    assert!(!files.secrets_occur_in(&files.public_archive().unwrap()).unwrap());
    assert!(files.secrets_occur_in(&files.archive().unwrap()).unwrap());
    assert!(files.has_all_secrets().unwrap());

    // The published one is a configuration that nobody can start with.
    let published =
        ConfigBundle::from_archive(Path::new("p.tar"), &files.public_archive().unwrap()).unwrap();
    assert_eq!(published.measure(&FRESH).unwrap().public, measured(&folder).public);
    folder.write("tls.key", "");
    assert!(!folder.files().unwrap().has_all_secrets().unwrap());
    assert!(folder.refused().contains("it holds no private key"));
}

#[test]
fn a_key_is_measured_with_the_secrets_and_its_certificate_is_not() {
    let folder = Folder::new(PROVIDED);
    let before = measured(&folder);
    folder.write("tls.key", RSA_KEY);
    let other = measured(&folder);
    assert_eq!(other.public, before.public);
    assert_ne!(other.secrets, before.secrets);
    folder.write("tls.crt", RSA_CERTIFICATE);
    let both = measured(&folder);
    assert_ne!(both.public, other.public);
    assert_eq!(both.secrets, other.secrets);
    fs::rename(folder.0.path().join("tls.key"), folder.0.path().join("t.key")).unwrap();
    folder
        .write("enclave.toml", sigv4(&[CREDENTIAL, PROVIDED].concat()).replace("tls.key", "t.key"));
    assert_ne!(measured(&folder).public, both.public);
    assert_eq!(measured(&folder).secrets, both.secrets);
}

/// What the documentation says is hashed, put together by hand.
#[test]
fn pcr17_can_be_computed_from_the_secrets_and_the_key() {
    let folder = Folder::new(PROVIDED);
    let mut secrets = "7".repeat(32).into_bytes();
    for secret in [SECRET, KEY] {
        secrets.extend(u64::try_from(secret.len()).unwrap().to_be_bytes());
        secrets.extend(secret.as_bytes());
    }
    assert_eq!(measured(&folder).secrets, Sha384::digest(&secrets));
}

#[test]
fn a_key_in_a_file_that_is_published_is_refused() {
    let named_twice = "enclave.toml: private_key or pin_file names a file that another key names \
                       as well, by which it would be published: give each secret a file of its own";
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
        // Before anything is made of it, be it a measurement or an archive.
        assert_eq!(folder.told(&folder.files().unwrap_err()), named_twice);
    }
    let encrypted = KEY.replace("PRIVATE", "ENCRYPTED PRIVATE");
    for key in [KEY, RSA_KEY, &encrypted] {
        let folder = Folder::new(PROVIDED);
        folder.write("tls.crt", [CERTIFICATE, key].concat());
        assert_eq!(
            folder.refused(),
            "certificate: tls.crt: it holds a private key as well, which would be published with it: \
             move that to a file of its own"
        );
    }
}

#[test]
fn a_copy_of_a_key_in_what_is_published_is_found() {
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
            let files = folder.files().unwrap();
            files.secrets_occur_in(&files.public_archive().unwrap()).unwrap()
        };
        assert!(!is_found(certificate));
        assert!(is_found(key));
        assert!(is_found(&key.replace('\n', "\r\n")));
        // Another's, too.
        assert!(is_found(include_str!("../../../../tests/suite/keys/tls/ed25519.pkcs8.pem")));
        let lines = key.lines().filter(|line| !line.starts_with('-'));
        assert!(is_found(&lines.map(|line| format!("# {line}\n")).collect::<String>()));
    }
}

#[test]
fn no_error_repeats_a_key_that_stands_where_its_file_should_be_named() {
    let body = KEY.lines().nth(1).unwrap();
    for inline in [format!("'''{KEY}'''"), format!("\"{body}\"")] {
        let folder = Folder::new(&PROVIDED.replace("\"tls.key\"", &inline));
        for error in [
            folder.settings().unwrap_err(),
            folder.files().unwrap().measure(&FRESH).unwrap_err().into(),
            folder.files().unwrap().public_archive().unwrap_err().into(),
        ] {
            assert!(folder.told(&error).starts_with("private_key: the file that it names: "));
            assert!(!format!("{error} {error:?}").contains(body), "{error:?}");
        }
    }
}

#[test]
fn the_settings_show_nothing_of_the_key() {
    let der = {
        let body: String = RSA_KEY.lines().filter(|line| !line.starts_with('-')).collect();
        base64::Engine::decode(&base64::engine::general_purpose::STANDARD, body).unwrap()
    };
    let folder = Folder::new(PROVIDED);
    folder.write("tls.crt", RSA_CERTIFICATE);
    folder.write("tls.key", RSA_KEY);
    let shown = format!("{:?}", folder.settings().unwrap());
    assert!(shown.contains("Provided(CertifiedKey"), "{shown}");
    // Past the modulus, which is public, are the exponents and primes; each as any Debug shows it.
    for part in der[300..].chunks_exact(8) {
        assert!(!shown.contains(&const_hex::encode(part)), "{shown}");
        let list = format!("{part:?}");
        assert!(!shown.contains(list.trim_matches(['[', ']'])), "{shown}");
    }
}
