//! The PIN of a token.

use attestation::crypto::Sha384;

use super::config_folder::Folder;
use super::key_store::{HSM, PIN, folder, store_error, store_error_with, without};
use super::*;
use crate::config::warning::ConfigWarning;
use crate::key_store::{KeyStoreKind, Pin};

#[test]
fn accepts_pin_files_of_one_line() {
    for (file, pin) in [
        (&b"1234"[..], &b"1234"[..]),
        (b"1234\n", b"1234"),
        (b"1234\r\n", b"1234"),
        (b" user:pass word \n", b" user:pass word "),
        (b"\xff\xfe\n", b"\xff\xfe"),
        (&[b'a'; 1024], &[b'a'; 1024]),
    ] {
        let folder = folder(HSM);
        folder.write("pin", file);
        let settings = folder.settings().unwrap();
        let KeyStoreKind::Hsm(hsm) = &settings.key_stores[0].kind else { panic!() };
        assert!(matches!(&hsm.pin, Pin::Known(known) if ***known == *pin), "{file:?}");
    }
    let rule = "enclave.toml: [[key_store]] number 1: the file that pin_file names must \
                contain only the PIN: one line of 1 to 1024 bytes";
    for file in [&b""[..], b"\n", b"\r\n", b"a\nb", b"a\n\n", b"a\0b", &[b'a'; 1025]] {
        let folder = folder(HSM);
        folder.write("pin", file);
        assert_eq!(folder.error_text(), rule, "{file:?}");
    }
    let absent = store_error_with(HSM, "pin_file = \"absent\"");
    assert_eq!(
        absent,
        "cannot read the file that pin_file names: No such file or directory (os error 2)"
    );
    for name in ["", "A=B", "1234", "A B", "user:pass"] {
        let toml = without(HSM, "pin_file") + &format!("\npin_env = \"{name}\"\n");
        assert!(
            store_error(&toml).starts_with("pin_env is not the name of an environment variable: ")
        );
    }
}

#[test]
fn warns_about_pin_env_in_production() {
    let variable = without(HSM, "pin_file") + "\npin_env = \"PIN\"\n";
    let is_warned = |toml: &str, profile| {
        let settings =
            Config::from_bundle(folder(toml).bundle().unwrap()).unwrap().settings(profile).unwrap();
        settings.warnings.contains(&ConfigWarning::PinFromEnvironment { number: 1 })
    };
    assert!(is_warned(&variable, Profile::Production));
    assert!(!is_warned(&variable, Profile::Development) && !is_warned(HSM, Profile::Production));
}

#[test]
fn pin_is_measured_in_pcr17_and_never_published() {
    const FALLBACK_SALT: [u8; SALT_LENGTH] = [9; SALT_LENGTH];
    let folder = folder(&[HSM, "trust_anchor_certificate = \"ca.crt\"\n"].concat());
    let bundle = folder.bundle().unwrap();
    let public = bundle.public_archive().unwrap();
    let listed = archive::decode(&public).unwrap();
    assert_eq!(listed.keys().collect::<Vec<_>>(), ["ca.crt", "enclave.toml", "pin", "wallet.json"]);
    assert!(listed["pin"].is_empty() && !listed["ca.crt"].is_empty());
    assert!(
        !bundle.contains_secret_or_private_key(&public).unwrap()
            && bundle.has_all_secrets().unwrap()
    );
    // The input of PCR17 has the documented format.
    let mut secrets = "7".repeat(32).into_bytes();
    for secret in [SECRET, PIN] {
        secrets.extend(u64::try_from(secret.len()).unwrap().to_be_bytes());
        secrets.extend(secret.as_bytes());
    }
    let before = bundle.measure(&FALLBACK_SALT).unwrap();
    assert_eq!(before.secrets, Sha384::digest(&secrets));

    folder.write("pin", "another");
    let after = folder.bundle().unwrap().measure(&FALLBACK_SALT).unwrap();
    assert_eq!(after.public, before.public);
    assert_ne!(after.secrets, before.secrets);
    folder.write("pin", "");
    assert!(!folder.bundle().unwrap().has_all_secrets().unwrap());
}

#[test]
fn detects_pin_in_public_archive() {
    let folder = folder(&[&format!("# {PIN}\n"), HSM].concat());
    let bundle = folder.bundle().unwrap();
    assert!(bundle.contains_secret_or_private_key(&bundle.public_archive().unwrap()).unwrap());
    // The password without the user name is also detected.
    let half = self::folder(&["# 0pen-sesame\n", HSM].concat()).bundle().unwrap();
    assert!(half.contains_secret_or_private_key(&half.public_archive().unwrap()).unwrap());
    for line in ["trust_anchor_certificate = \"pin\"\n", "[trust]\nanchors = [\"pin\"]\n"] {
        let error = Folder::without_tls(&[HSM, line].concat()).bundle().unwrap_err().to_string();
        assert!(
            error.contains("private_key or pin_file names a file that another setting"),
            "{error}"
        );
    }
    // In a list of values, the name of the PIN file cannot be recognized.
    let folder = self::folder("");
    let listed = "key_store = [[\"cks-a\", \"a\", \"AWS_CLOUDHSM\", \"u\", \"/a\", \"a\", 0, \
                  \"pin\", \"E\", \"c\", \"ca.crt\", 500, true]]\n";
    folder.write("enclave.toml", listed);
    let error = folder.error_text();
    assert!(error.contains("[[key_store]] is written as a list of values"), "{error}");
}

#[test]
fn debug_and_errors_never_contain_the_pin() {
    let folder = folder(HSM);
    let shown = format!("{:?}", folder.settings().unwrap().key_stores);
    assert!(shown.contains("Pin(..)"), "{shown}");
    assert!(!shown.contains(PIN) && !shown.contains(&format!("{:?}", PIN.as_bytes())), "{shown}");
    for line in [format!("pin_file = \"{PIN}\""), format!("pin_env = \"{PIN}=\"")] {
        let folder = self::folder(&[&without(HSM, "pin_file"), "\n", &line, "\n"].concat());
        let error = folder.settings().unwrap_err();
        assert!(!format!("{error} {error:?}").contains(PIN), "{error:?}");
        if line.starts_with("pin_file") {
            let error = folder.bundle().unwrap().public_archive().unwrap_err();
            assert!(!format!("{error} {error:?}").contains(PIN), "{error:?}");
        }
    }
}
