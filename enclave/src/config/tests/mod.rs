mod audit;
mod bundle;
mod config_folder;
mod credentials;
mod effective;
mod egress;
mod key_store;
mod pins;
mod plaintext;
mod platform;
mod private_key;
mod receipts;
mod secrets;
mod server;
mod tls;
mod verification;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use attestation::TrustAnchors;
use attestation::time::UnixMillis;

use super::bundle::{MAX_FILE_LENGTH, archive, read};
use super::*;
use crate::auth::Authenticator;

const SECRET: &str = "wJalrXUtnFEMI-K7MDENG";
const POLICY: &str =
    r#"{"Statement": {"Effect": "Allow", "Action": "kms:GenerateRandom", "Resource": "*"}}"#;

const CREDENTIAL: &str = r#"
[[credential]]
access_key_id = "AKIDEXAMPLE"
secret_access_key = "wJalrXUtnFEMI-K7MDENG"
principal = "arn:aws:iam::123456789012:role/wallet"
policies = ["wallet.json"]
"#;

const TLS_OFF: &str = "[tls]\nmode = \"off\"\n";

fn load(text: &str) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("enclave.toml");
    fs::write(&path, text).unwrap();
    Config::load(Some(&path))
}

/// Builds the settings of `text`, in a folder with a salt and the policy `wallet.json`.
fn settings(text: &str, profile: Profile) -> Result<Settings, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("enclave.toml");
    fs::write(folder.path().join("wallet.json"), POLICY).unwrap();
    fs::write(folder.path().join("salt"), [7; 32]).unwrap();
    fs::write(&path, text).unwrap();
    Config::load(Some(&path))?.settings(profile)
}

/// Returns the error for `text`, without the paths of the TOML file and the folder.
fn error_text(text: &str, profile: Profile) -> String {
    let error = settings(text, profile).unwrap_err().to_string();
    let (folder, _) = error.split_once("enclave.toml:").unwrap();
    assert!(folder.starts_with('/') && folder.ends_with('/'), "{error}");
    let reason = error.replace(folder, "");
    reason.strip_prefix("enclave.toml:").unwrap().trim_start().to_owned()
}

/// Returns a production configuration without TLS that authenticates callers.
fn production(credentials: &str) -> String {
    [TLS_OFF, &sigv4(credentials)].concat()
}

fn sigv4(credentials: &str) -> String {
    format!("[auth]\nmode = \"sigv4\"\nregion = \"eu-west-1\"\n{credentials}")
}

#[test]
fn documented_file_is_valid_and_shows_the_defaults() {
    let page = include_str!("../../../../docs/configuration.md");
    let (_, block) = page.split_once("```toml\n").unwrap();
    let (text, _) = block.split_once("```").unwrap();
    let documented = settings(text, Profile::Production).unwrap();
    let default = settings(&production(CREDENTIAL), Profile::Production).unwrap();
    assert_eq!(format!("{:?}", documented.policy), format!("{:?}", default.policy));
    assert_eq!(format!("{:?}", documented.throttle), format!("{:?}", default.throttle));
    assert_eq!(format!("{:?}", documented.entropy), format!("{:?}", default.entropy));
    assert_eq!(format!("{:?}", documented.platform), format!("{:?}", default.platform));
}

#[test]
fn reads_anchors_relative_to_the_toml() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("enclave.toml");
    fs::write(&path, "[trust]\nanchors = [\"root.pem\"]\n").unwrap();
    fs::write(folder.path().join("root.pem"), "not PEM").unwrap();
    let config = Config::load(Some(&path)).unwrap();
    let error = config.add_anchors(&mut TrustAnchors::aws_nitro()).unwrap_err().to_string();
    let root = folder.path().join("root.pem");
    let expected = format!(
        "{}: [trust] anchors, entry 1: {}: holds no CERTIFICATE section",
        path.display(),
        root.display()
    );
    assert_eq!(error, expected);
}

#[test]
fn rejects_unknown_keys_and_values_with_position() {
    for (text, expected) in [
        ("[trust]\nanchor = []\n", "enclave.toml: line 2 column 1: unknown field `anchor`"),
        ("[other]\n", "line 1 column 2: unknown field `other`"),
        (
            "[auth]\nmode = \"sigv5\"\n",
            "line 2 column 8: found an unknown string (not shown, it may be a secret), \
             expected `none` or `sigv4`",
        ),
        ("[trust\n", "line 1 column 7: "),
        (
            "[recipient]\nmax_age = 0\n",
            "line 2 column 11: invalid value: integer `0`, expected a number of seconds from 1, \
             or \"chain\"",
        ),
        (
            "[recipient]\nmax_age = \"1h\"\n",
            "line 2 column 11: found an unknown string (not shown, it may be a secret), \
             expected a number of seconds from 1, or \"chain\"",
        ),
        (
            "[recipient]\nplaintext = \"maybe\"\n",
            "line 2 column 13: found an unknown string (not shown, it may be a secret), \
             expected \"never\", \"attested-tls\" or \"always\"",
        ),
        (
            "[recipient]\nplaintext = false\n",
            "invalid type: boolean `false`, expected \"never\", \"attested-tls\" or \"always\"",
        ),
        (
            "[recipient]\nplaintext = \"deny\"\n",
            "line 2 column 13: found an unknown string (not shown, it may be a secret), \
             expected \"never\", \"attested-tls\" or \"always\"",
        ),
        ("[throttle]\nrequests_per_second_per_principal = -1\n", "line 2 column 37: "),
    ] {
        let error = load(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text:?}: {error}");
    }
    let missing = Config::load(Some(Path::new("/does/not/exist.toml"))).unwrap_err();
    assert!(missing.to_string().starts_with("/does/not/exist.toml: "));
}

#[test]
fn rejects_toml_larger_than_1_mib() {
    let text = format!("#{}", "x".repeat(MAX_FILE_LENGTH));
    let error = load(&text).unwrap_err().to_string();
    assert!(error.ends_with("the file is longer than 1 MiB"), "{error}");
}

#[test]
fn rejects_anchor_file_larger_than_1_mib() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("enclave.toml");
    fs::write(&path, "[trust]\nanchors = [\"zero\"]\n").unwrap();
    let zero = folder.path().join("zero");
    symlink("/dev/zero", &zero).unwrap();
    let config = Config::load(Some(&path)).unwrap();
    let error = config.add_anchors(&mut TrustAnchors::aws_nitro()).unwrap_err().to_string();
    let expected = format!(
        "{}: [trust] anchors, entry 1: {}: the file is longer than 1 MiB",
        path.display(),
        zero.display()
    );
    assert_eq!(error, expected);
}

#[test]
fn file_buffers_have_no_spare_capacity() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("enclave.toml");
    for length in [0, 1, 31, MAX_FILE_LENGTH - 31, MAX_FILE_LENGTH] {
        fs::write(&path, vec![b'#'; length]).unwrap();
        let bytes = read(&path, MAX_FILE_LENGTH).unwrap();
        assert_eq!((bytes.len(), bytes.capacity()), (length, length));
    }
    fs::write(&path, b"# \xff").unwrap();
    let error = Config::load(Some(&path)).unwrap_err();
    assert_eq!(error.to_string(), format!("{}: the file is not UTF-8", path.display()));
}

#[test]
fn production_requires_authentication_or_recipients() {
    let no_region = "[auth] region is missing";
    let no_credential = "there is no [[credential]]";
    for (text, expected) in [
        ("", no_region),
        ("[auth]\nregion = \"eu-west-1\"\n", no_credential),
        ("[auth]\nmode = \"sigv4\"\n", no_region),
        ("[auth]\nmode = \"sigv4\"\nregion = \"eu-west-1\"\n", no_credential),
        ("[auth]\nmode = \"none\"\n", "require = true under [recipient]"),
        ("[auth]\nmode = \"none\"\n[recipient]\nplaintext = \"never\"\n", "require = true"),
    ] {
        let error = error_text(&[TLS_OFF, text].concat(), Profile::Production);
        assert!(error.contains(expected), "{text:?}: {error}");
    }
    let requires = "[auth]\nmode = \"none\"\n[recipient]\nrequire = true\n";
    let requires = [TLS_OFF, requires].concat();
    for (text, profile) in [("", Profile::Development), (requires.as_str(), Profile::Production)] {
        let settings = settings(text, profile).unwrap();
        assert!(matches!(settings.authenticator, Authenticator::None), "{text:?}");
    }
    for profile in [Profile::Production, Profile::Development] {
        let settings = settings(&production(CREDENTIAL), profile).unwrap();
        assert!(matches!(settings.authenticator, Authenticator::SigV4(_)));
        assert_eq!(settings.region.as_deref(), Some("eu-west-1"));
    }
}

#[test]
fn warnings_depend_on_profile_and_time() {
    let plaintext = "[recipient]\nplaintext = \"always\"\n";
    let second = CREDENTIAL.replace("AKIDEXAMPLE", "AKIDOTHER").replace("role/wallet", "role/idle");
    let idle = second.replace("[\"wallet.json\"]", "[]");
    let again = idle.replace("AKIDOTHER", "AKIDAGAIN");
    let expires = "expires = 2027-01-31T12:00:00Z\n";
    let text = production(&[CREDENTIAL, &idle, expires, &again, plaintext].concat());
    let texts = |profile, now: &str| {
        let now = UnixMillis::from_rfc3339(now).unwrap();
        let warnings = settings(&text, profile).unwrap().warnings.into_iter();
        warnings
            .filter(|warning| warning.applies_at(now))
            .map(|warning| warning.to_string())
            .collect::<Vec<_>>()
    };
    let plaintext = "[recipient] plaintext is \"always\" and [tls] mode is \"off\", so the parent \
                     instance and the network can read the responses to requests without a \
                     Recipient: write plaintext = \"attested-tls\" or \"never\" to deny such \
                     requests";
    let expired = "[[credential]] number 2: the credential expired at 2027-01-31T12:00:00Z, so \
                   requests signed with it are rejected";
    let idle = "[[credential]] number 2: policies is empty, so every request of \
                arn:aws:iam::123456789012:role/idle is denied";
    let (before, after) = ("2027-01-31T11:59:59Z", "2027-01-31T12:00:00Z");
    assert_eq!(texts(Profile::Production, before), [idle, plaintext]);
    assert_eq!(texts(Profile::Production, after), [expired, idle, plaintext]);
    assert_eq!(texts(Profile::Development, after), [expired, idle]);
}

#[test]
fn rejects_invalid_measurements() {
    let value = "ab".repeat(48);
    let measurements = |entry: &str| format!("[recipient]\nmeasurements = [{entry}]\n");
    for entry in [
        format!("{{ PCR0 = \"{value}\" }}"),
        format!("{{ PCR0 = \"{value}\", PCR8 = \"{value}\" }}, {{ NitroTPMPCR4 = \"{value}\" }}"),
        format!("{{ ImageSha384 = \"{}\" }}", value.to_uppercase()),
        String::new(),
    ] {
        assert!(settings(&measurements(&entry), Profile::Development).is_ok(), "{entry}");
    }
    let zeros = "0".repeat(96);
    for (entry, expected) in [
        (format!("{{ PCR0 = \"{zeros}\" }}"), "PCR0 is all zeros"),
        (format!("{{ PCR8 = \"{value}\", PCR1 = \"{zeros}\" }}"), "PCR1 is all zeros"),
        (format!("{{ PCR32 = \"{value}\" }}"), "unknown register \"PCR32\"; write PCR0 to PCR31"),
        (format!("{{ PCR00 = \"{value}\" }}"), "unknown register \"PCR00\""),
        (format!("{{ pcr = \"{value}\" }}"), "unknown register \"pcr\""),
        (
            "{ PCR0 = \"abcd\" }".to_owned(),
            "PCR0 is not a measurement; write 96 hexadecimal digits",
        ),
        (format!("{{ PCR0 = \"0x{}\" }}", "ab".repeat(47)), "PCR0 is not a measurement"),
        ("{}".to_owned(), "the entry is empty and would allow every document; remove the entry"),
        (
            format!("{{ PCR0 = \"{value}\", NitroTPMPCR4 = \"{value}\" }}"),
            "PCR0 belongs to an enclave and NitroTPMPCR4 to a NitroTPM, but a document contains only \
             one of the two; write two entries",
        ),
        (
            format!("{{ nitrotpmpcr4 = \"{value}\", PCR4 = \"{value}\", a = \"\" }}"),
            "unknown register \"a\"",
        ),
        (
            format!("{{ NitroTPMPCR4 = \"{value}\", pcr4 = \"{value}\" }}"),
            "pcr4 belongs to an enclave and NitroTPMPCR4 to a NitroTPM",
        ),
        (
            format!("{{ ImageSha384 = \"{value}\", PCR0 = \"{value}\" }}"),
            "ImageSha384 and PCR0 are the same register; write only one of them",
        ),
        (
            format!("{{ PCR8 = \"{value}\", PCR1 = \"{value}\", pcr8 = \"{value}\" }}"),
            "PCR8 and pcr8 are the same register; write only one of them",
        ),
    ] {
        let second = format!("{{ PCR0 = \"{value}\" }}, {entry}");
        for (number, entries) in [(1, &entry), (2, &second)] {
            let error = error_text(&measurements(entries), Profile::Development);
            let start = format!("[recipient] measurements, entry {number}: {expected}");
            assert!(error.starts_with(&start), "{entries}: {error}");
        }
    }
}
