//! `[recipient] plaintext` in each mode of TLS.

use super::config_folder::{Folder, PROVIDED};
use super::*;
use crate::config::profile::Profile::{Development, Production};
use crate::policy::Plaintext;

const OFF: &str = "[tls]\nmode = \"off\"\n";
const ATTESTED: &str = "[tls]\nmode = \"attested\"\nnames = [\"localhost\"]\n";

fn folder(tls: &str, plaintext: Option<&str>) -> Folder {
    let line = plaintext.map_or(String::new(), |word| format!("plaintext = \"{word}\"\n"));
    Folder::new(&format!("{tls}[recipient]\n{line}"))
}

fn settings_of(folder: &Folder, profile: Profile) -> Settings {
    Config::from_bundle(folder.bundle().unwrap()).unwrap().settings(profile).unwrap()
}

/// Returns the value that `--print-config` prints.
fn printed(folder: &Folder, profile: Profile) -> String {
    let listen = Some("127.0.0.1:1".parse().unwrap());
    let config = Config::from_bundle(folder.bundle().unwrap()).unwrap();
    let server = config.server(&Arguments { listen, ..Arguments::default() }).unwrap();
    let effective = config.effective(&server, profile).unwrap();
    effective["recipient"]["plaintext"].as_str().unwrap().to_owned()
}

#[test]
fn each_plaintext_value_takes_effect_and_is_printed() {
    use Plaintext::{Always, AttestedTls, Never};
    for (profile, tls, written, expected) in [
        (Production, OFF, None, AttestedTls),
        (Production, ATTESTED, None, AttestedTls),
        (Production, PROVIDED, None, Never),
        (Development, OFF, None, Always),
        (Development, ATTESTED, None, Always),
        (Development, PROVIDED, None, Always),
        (Production, OFF, Some("never"), Never),
        (Production, ATTESTED, Some("never"), Never),
        (Production, PROVIDED, Some("never"), Never),
        (Development, ATTESTED, Some("never"), Never),
        (Production, OFF, Some("attested-tls"), AttestedTls),
        (Production, ATTESTED, Some("attested-tls"), AttestedTls),
        (Development, OFF, Some("attested-tls"), AttestedTls),
        (Production, OFF, Some("always"), Always),
        (Production, ATTESTED, Some("always"), Always),
        (Production, PROVIDED, Some("always"), Always),
    ] {
        let context = format!("{profile:?} {tls} {written:?}");
        let folder = folder(tls, written);
        let policy = format!("{:?}", settings_of(&folder, profile).policy);
        assert!(policy.contains(&format!("plaintext: {expected:?},")), "{context}: {policy}");
        let word = printed(&folder, profile);
        assert_eq!(word, expected.as_str(), "{context}");
        // The printed value has the same meaning.
        let again = settings_of(&self::folder(tls, Some(&word)), profile);
        assert_eq!(format!("{:?}", again.policy), policy, "{context}");
    }
}

#[test]
fn rejects_attested_tls_with_provided_key() {
    for profile in [Production, Development] {
        let folder = folder(PROVIDED, Some("attested-tls"));
        let config = Config::from_bundle(folder.bundle().unwrap()).unwrap();
        let error = folder.without_folder(&config.settings(profile).unwrap_err());
        let expected = "enclave.toml: [recipient] plaintext is \"attested-tls\", but [tls] mode \
                        is \"provided\", whose key no document attests: write plaintext = \
                        \"never\" to deny requests without a Recipient, plaintext = \"always\" to \
                        allow them, or [tls] mode = \"attested\"";
        assert_eq!(error, expected, "{profile:?}");
    }
}

#[test]
fn warns_about_readable_plaintext_in_production() {
    let warnings = |folder: Folder, profile| {
        let warnings = settings_of(&folder, profile).warnings.into_iter();
        let texts = warnings.map(|warning| warning.to_string());
        texts.filter(|text| text.starts_with("[recipient] plaintext ")).collect::<Vec<_>>()
    };
    for (tls, readers) in [
        (OFF, "[tls] mode is \"off\", so the parent instance and the network can read"),
        (PROVIDED, "[tls] mode is \"provided\", so holders of the configuration, such as"),
    ] {
        let texts = warnings(folder(tls, Some("always")), Production);
        let [warning] = &texts[..] else { panic!("{texts:?}") };
        let start = format!("[recipient] plaintext is \"always\" and {readers}");
        assert!(warning.starts_with(&start), "{warning}");
        assert_eq!(warnings(folder(tls, Some("always")), Development), [""; 0]);
        assert_eq!(warnings(folder(tls, Some("never")), Production), [""; 0]);
        assert_eq!(warnings(folder(tls, None), Production), [""; 0]);
        let requires =
            Folder::new(&format!("{tls}[recipient]\nrequire = true\nplaintext = 'always'\n"));
        assert_eq!(warnings(requires, Production), [""; 0]);
    }
    assert_eq!(warnings(folder(ATTESTED, Some("always")), Production), [""; 0]);
}
