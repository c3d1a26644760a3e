use std::fs;
use std::path::Path;

use shared::attestation::TrustAnchors;
use shared::time::UnixMillis;

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

fn load(text: &str) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("enclave.toml");
    fs::write(&path, text).unwrap();
    Config::load(Some(&path))
}

/// What comes of `text` beside a file `wallet.json`.
fn settings(text: &str, posture: Posture) -> Result<Settings, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("enclave.toml");
    fs::write(folder.path().join("wallet.json"), POLICY).unwrap();
    fs::write(&path, text).unwrap();
    Config::load(Some(&path))?.settings(posture)
}

/// Why, behind the name of the file, which comes first; files are named without their folder.
fn refused(text: &str, posture: Posture) -> String {
    let error = settings(text, posture).unwrap_err().to_string();
    let (folder, _) = error.split_once("enclave.toml:").unwrap();
    assert!(folder.starts_with('/') && folder.ends_with('/'), "{error}");
    let reason = error.replace(folder, "");
    reason.strip_prefix("enclave.toml:").unwrap().trim_start().to_owned()
}

fn sigv4(credentials: &str) -> String {
    format!("[auth]\nmode = \"sigv4\"\nregion = \"eu-west-1\"\n{credentials}")
}

#[test]
fn the_documented_file_is_one_and_shows_the_defaults() {
    let page = include_str!("../../../docs/configuration.md");
    let (_, block) = page.split_once("```toml\n").unwrap();
    let (text, _) = block.split_once("```").unwrap();
    let documented = settings(text, Posture::Production).unwrap();
    let default = settings(&sigv4(CREDENTIAL), Posture::Production).unwrap();
    assert_eq!(format!("{:?}", documented.policy), format!("{:?}", default.policy));
    assert_eq!(format!("{:?}", documented.throttle), format!("{:?}", default.throttle));
}

#[test]
fn reads_anchors_relative_to_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("enclave.toml");
    fs::write(&path, "[trust]\nanchors = [\"root.pem\"]\n").unwrap();
    fs::write(folder.path().join("root.pem"), "not PEM").unwrap();
    let config = Config::load(Some(&path)).unwrap();
    let error = config.add_anchors(&mut TrustAnchors::aws_nitro()).unwrap_err().to_string();
    assert!(error.starts_with("[trust] anchors: /"), "{error}");
    assert!(error.ends_with("root.pem: holds no CERTIFICATE section"), "{error}");
}

#[test]
fn refuses_what_it_does_not_know_and_says_where() {
    for (text, expected) in [
        ("[trust]\nanchor = []\n", "enclave.toml: line 2 column 1: unknown field `anchor`"),
        ("[other]\n", "line 1 column 2: unknown field `other`"),
        (
            "[auth]\nmode = \"sigv5\"\n",
            "line 2 column 8: found another string, expected `none` or `sigv4`",
        ),
        ("[trust\n", "line 1 column 7: "),
        (
            "[recipient]\nmax_age = 0\n",
            "line 2 column 11: invalid value: integer `0`, expected seconds, at least 1, or \"chain\"",
        ),
        (
            "[recipient]\nmax_age = \"1h\"\n",
            "line 2 column 11: found another string, expected seconds, at least 1, or \"chain\"",
        ),
        (
            "[recipient]\nplaintext = \"maybe\"\n",
            "found another string, expected `deny` or `allow`",
        ),
        ("[throttle]\nper_principal = -1\n", "line 2 column 17: "),
    ] {
        let error = load(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text:?}: {error}");
    }
    let missing = Config::load(Some(Path::new("/does/not/exist.toml"))).unwrap_err();
    assert!(missing.to_string().starts_with("/does/not/exist.toml: "));
}

#[test]
fn refuses_a_file_of_more_than_a_mebibyte() {
    let text = format!("#{}", "x".repeat(usize_of(MAX_FILE_LENGTH)));
    let error = load(&text).unwrap_err().to_string();
    assert!(error.ends_with("it is longer than 1048576 bytes"), "{error}");
}

#[test]
fn anchors_are_bounded_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("enclave.toml");
    fs::write(&path, "[trust]\nanchors = [\"/dev/zero\"]\n").unwrap();
    let config = Config::load(Some(&path)).unwrap();
    let error = config.add_anchors(&mut TrustAnchors::aws_nitro()).unwrap_err();
    assert_eq!(error.to_string(), "/dev/zero: it is longer than 1048576 bytes");
}

#[test]
fn a_file_is_read_into_one_piece_of_memory_whatever_its_length() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("enclave.toml");
    for length in [0, 1, 31, usize_of(MAX_FILE_LENGTH) - 31, usize_of(MAX_FILE_LENGTH)] {
        fs::write(&path, vec![b'#'; length]).unwrap();
        let bytes = read(&path).unwrap();
        assert_eq!((bytes.len(), bytes.capacity()), (length, usize_of(MAX_FILE_LENGTH) + 1));
    }
    fs::write(&path, b"# \xff").unwrap();
    let error = Config::load(Some(&path)).unwrap_err();
    assert_eq!(error.to_string(), format!("{}: it is not UTF-8", path.display()));
}

#[test]
fn no_error_repeats_a_secret_however_it_is_misplaced() {
    let credential =
        |line: &str| sigv4(&format!("[[credential]]\naccess_key_id = \"A\"\n{line}\n"));
    for line in [
        // Not a string: what serde says of its own accord would repeat it.
        "secret_access_key = 7319441377",
        "secret_access_key = 7319441377.5",
        "secret_access_key = [\"7319441377\"]",
        "secret_access_key = { a = \"7319441377\" }",
        "secret_access_key = 1977-05-27T07:32:00Z # 7319441377",
        "session_token = 7319441377",
        // Not TOML: what the parser prints of its own accord shows the line.
        "secret_access_key = \"7319441377",
        "secret_access_key = 7319441377x",
        "secret_access_key = '7319441377\"",
        "secret_access_key \"7319441377\"",
        // In the wrong place.
        "secret_acess_key = \"7319441377\"",
    ] {
        let error = load(&credential(line)).unwrap_err();
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(!text.contains("73194"), "{line}: {text}");
            assert!(text.contains("line 6") || text.contains("line: 6"), "{line}: {text}");
        }
    }
    let misplaced = CREDENTIAL.replace("\"AKIDEXAMPLE\"", &format!("\"{SECRET}\""));
    let error = refused(&sigv4(&misplaced), Posture::Production);
    assert_eq!(
        error,
        "[[credential]] number 1: access_key_id must be 1 to 128 letters, digits and underscores"
    );
}

#[test]
fn no_error_repeats_a_string_wherever_it_stands() {
    // It cannot be taken for the reader's own words either.
    for secret in ["7319441377/a", "7319, expected 73194", "73194`, expected `73194"] {
        for (from, to) in [
            ("mode = \"sigv4\"", "mode = SECRET"),
            ("\"eu-west-1\"", "SECRET"),
            ("\"AKIDEXAMPLE\"", "SECRET"),
            ("\"arn:aws:iam::123456789012:role/wallet\"", "SECRET"),
            ("[\"wallet.json\"]", "SECRET"),
            ("policies", "expires = SECRET\npolicies"),
            ("[[credential]]", "[recipient]\nrequire = SECRET\n[[credential]]"),
            ("[[credential]]", "[recipient]\nmax_age = SECRET\n[[credential]]"),
            ("[[credential]]", "[recipient]\nallow_debug = SECRET\n[[credential]]"),
            ("[[credential]]", "[recipient]\nplaintext = SECRET\n[[credential]]"),
            ("[[credential]]", "[recipient]\nmeasurements = SECRET\n[[credential]]"),
            ("[[credential]]", "[recipient]\nmeasurements = [SECRET]\n[[credential]]"),
            ("[[credential]]", "[recipient]\nmeasurements = [{ PCR0 = SECRET }]\n[[credential]]"),
            ("[[credential]]", "[throttle]\ntotal = SECRET\n[[credential]]"),
            ("[[credential]]", "[trust]\nanchors = SECRET\n[[credential]]"),
            ("[[credential]]", "[trust]\nanchors = [{ SECRET = 1 }]\n[[credential]]"),
            ("[[credential]]", "[[credential]]\n[credential.secret_access_key]\na = SECRET"),
            ("[auth]", "auth = SECRET"),
            ("[auth]", "throttle = SECRET\n[auth]"),
            ("[auth]", "credential = SECRET\n[auth]"),
            ("[auth]", "credential = [SECRET]\n[auth]"),
        ] {
            let changed = sigv4(CREDENTIAL).replacen(from, to, 1);
            let text = changed.replace("SECRET", &format!("'{secret}'"));
            assert_ne!(text, sigv4(CREDENTIAL), "{from}");
            let error = settings(&text, Posture::Production).unwrap_err();
            for said in [error.to_string(), format!("{error:?}")] {
                assert!(!said.contains("7319"), "{to}: {said}");
            }
        }
    }
}

#[test]
fn neither_the_configuration_nor_the_settings_show_a_secret() {
    let text = sigv4(&format!("{CREDENTIAL}session_token = \"{SECRET}\"\n"));
    let config = load(&text).unwrap();
    assert!(!format!("{config:?} {config:#?}").contains("wJalr"));
    let settings = settings(&text, Posture::Production).unwrap();
    let shown = format!("{settings:?}");
    assert!(shown.contains("AKIDEXAMPLE") && !shown.contains("wJalr"), "{shown}");
}

#[test]
fn production_answers_nobody_without_a_credential_and_a_laptop_everybody() {
    let no_region = "[auth] region is missing";
    let no_credential = "there is no [[credential]]";
    for (text, expected) in [
        ("", no_region),
        ("[auth]\nregion = \"eu-west-1\"\n", no_credential),
        ("[auth]\nmode = \"sigv4\"\n", no_region),
        ("[auth]\nmode = \"sigv4\"\nregion = \"eu-west-1\"\n", no_credential),
        ("[auth]\nmode = \"none\"\n", "require = true under [recipient]"),
        ("[auth]\nmode = \"none\"\n[recipient]\nplaintext = \"deny\"\n", "require = true"),
    ] {
        let error = refused(text, Posture::Production);
        assert!(error.contains(expected), "{text:?}: {error}");
    }
    for (text, posture) in [
        ("", Posture::Laptop),
        ("[auth]\nmode = \"none\"\n[recipient]\nrequire = true\n", Posture::Production),
    ] {
        let settings = settings(text, posture).unwrap();
        assert!(matches!(settings.authenticator, Authenticator::None), "{text:?}");
    }
    for posture in [Posture::Production, Posture::Laptop] {
        let settings = settings(&sigv4(CREDENTIAL), posture).unwrap();
        assert!(matches!(settings.authenticator, Authenticator::SigV4(_)));
        assert_eq!(settings.region.as_deref(), Some("eu-west-1"));
    }
}

#[test]
fn credentials_that_nobody_asks_for_are_refused() {
    for text in [CREDENTIAL, &format!("[auth]\nmode = \"none\"\n{CREDENTIAL}")] {
        let error = refused(text, Posture::Laptop);
        assert!(error.contains("write mode = \"sigv4\" under [auth], or remove it"), "{error}");
    }
}

#[test]
fn credentials_are_checked() {
    let changed = |from: &str, to: &str| {
        let text = CREDENTIAL.replace(from, to);
        assert_ne!(text, CREDENTIAL, "{from}");
        refused(&sigv4(&text), Posture::Production)
    };
    for (from, to, expected) in [
        (SECRET, "", "line 7 column 21: a secret must be a string that is not empty"),
        ("policies", "session_token = \"\"\npolicies", "a secret must be a string"),
        (
            "arn:aws:iam::123456789012:role/wallet",
            "wallet",
            "[[credential]] number 1: principal: not the ARN of a principal, such as ",
        ),
        ("wallet.json", "other.json", "other.json: No such file"),
        ("wallet.json", "enclave.toml", "enclave.toml: line 1 column "),
        (
            "policies",
            "expires = \"tomorrow\"\npolicies",
            "expected a time such as 2027-01-31T12:00:00Z, with its offset",
        ),
        ("policies", "expires = 5\npolicies", "expected a time such as 2027-01-31T12:00:00Z"),
        ("policies", "expires = 2027-01-31\npolicies", "expected a time such as"),
    ] {
        let error = changed(from, to);
        assert!(error.contains(expected), "{to}: {error}");
    }
    let without_policies = CREDENTIAL.replace("policies = [\"wallet.json\"]\n", "");
    let error = refused(&sigv4(&without_policies), Posture::Production);
    assert!(error.contains("missing field `policies`"), "{error}");
    let region = sigv4(CREDENTIAL).replace("eu-west-1", "eu-west-1/kms");
    let error = refused(&region, Posture::Production);
    assert_eq!(
        error,
        "[auth] region must be lower-case letters, digits and hyphens, such as \"eu-west-1\""
    );
}

#[test]
fn errors_name_credentials_by_their_number() {
    let other = CREDENTIAL.replace("AKIDEXAMPLE", "AKIDOTHER");
    let without_policy = other.replace("wallet.json", "other.json");
    let without_id = other.replace("AKIDOTHER", "AKID OTHER");
    let without_policy = without_policy.replace("role/wallet", "role/other");
    for (second, expected) in [
        (CREDENTIAL.to_owned(), "[[credential]] numbers 1 and 2 have the same access_key_id"),
        (
            [&other, CREDENTIAL].concat(),
            "[[credential]] numbers 1 and 3 have the same access_key_id",
        ),
        (
            without_id,
            "[[credential]] number 2: access_key_id must be 1 to 128 letters, digits and underscores",
        ),
        (
            without_policy,
            "[[credential]] number 2: other.json: No such file or directory (os error 2)",
        ),
    ] {
        let error = refused(&sigv4(&[CREDENTIAL, &second].concat()), Posture::Production);
        assert_eq!(error, expected);
    }
}

#[test]
fn a_session_token_is_what_a_header_carries() {
    let with = |token: &str| {
        let text = sigv4(&format!("{CREDENTIAL}session_token = \"{token}\"\n"));
        settings(&text, Posture::Production).map_err(|error| error.to_string())
    };
    for token in ["a", "IQoJb3JpZ2luX2Vj//token+==", "two words", &"a".repeat(16_383)] {
        assert!(with(token).is_ok(), "{token}");
    }
    for token in [" ", " a", "a ", "a\\n", "a\\tb", "a\\u0000", "\u{e9}", &"a".repeat(16_384)] {
        let error = with(token).unwrap_err();
        let expected = "enclave.toml: [[credential]] number 1: session_token must be what a header \
                        can carry: visible ASCII, no space at either end, less than 16384 bytes";
        assert!(error.ends_with(expected), "{token}: {error}");
    }
}

#[test]
fn what_may_surprise_is_said_at_start() {
    let plaintext = "[recipient]\nplaintext = \"allow\"\n";
    let second = CREDENTIAL.replace("AKIDEXAMPLE", "AKIDOTHER").replace("role/wallet", "role/idle");
    let idle = second.replace("[\"wallet.json\"]", "[]");
    let again = idle.replace("AKIDOTHER", "AKIDAGAIN");
    let expires = "expires = 2027-01-31T12:00:00Z\n";
    let text = sigv4(&[CREDENTIAL, &idle, expires, &again, plaintext].concat());
    let said = |posture, now: &str| {
        let now = UnixMillis::from_rfc3339(now).unwrap();
        let surprises = settings(&text, posture).unwrap().surprises.into_iter();
        surprises
            .filter(|surprise| surprise.is_at(now))
            .map(|surprise| surprise.to_string())
            .collect::<Vec<_>>()
    };
    let plaintext = "[recipient] plaintext is \"allow\": the parent instance and the network can read \
                     what requests without a Recipient are answered";
    let expired = "[[credential]] number 2: it expired at 2027-01-31T12:00:00Z, so nobody can call \
                   with it";
    let idle = "[[credential]] number 2: policies is empty, so arn:aws:iam::123456789012:role/idle \
                may do nothing";
    let (before, after) = ("2027-01-31T11:59:59Z", "2027-01-31T12:00:00Z");
    assert_eq!(said(Posture::Production, before), [plaintext, idle]);
    assert_eq!(said(Posture::Production, after), [plaintext, expired, idle]);
    assert_eq!(said(Posture::Laptop, after), [expired, idle]);
}

#[test]
fn credentials_of_one_principal_share_it_and_must_agree_on_its_policies() {
    let second = CREDENTIAL.replace("AKIDEXAMPLE", "AKIDOTHER");
    let both = sigv4(&[CREDENTIAL, &second].concat());
    assert!(settings(&both, Posture::Production).is_ok());
    let disagreeing = second.replace("[\"wallet.json\"]", "[]");
    let error = refused(&sigv4(&[CREDENTIAL, &disagreeing].concat()), Posture::Production);
    assert_eq!(
        error,
        "[[credential]] number 2: number 1 gives arn:aws:iam::123456789012:role/wallet other \
         policies: policies belong to a principal, so list the same files"
    );
}

#[test]
fn expiry_is_read_as_text_and_as_tomls_own_time() {
    for expires in ["\"2027-01-31T12:00:00Z\"", "2027-01-31T12:00:00Z", "2027-01-31T13:00:00+01:00"]
    {
        let text = sigv4(&format!("{CREDENTIAL}expires = {expires}\n"));
        let config = load(&text).unwrap();
        let moment = UnixMillis::from_rfc3339("2027-01-31T12:00:00Z").unwrap();
        assert_eq!(config.file.credential[0].expires.unwrap().0, moment, "{expires}");
    }
}

#[test]
fn measurements_are_checked() {
    let value = "ab".repeat(48);
    let measurements = |entry: &str| format!("[recipient]\nmeasurements = [{entry}]\n");
    for entry in [
        format!("{{ PCR0 = \"{value}\" }}"),
        format!("{{ PCR0 = \"{value}\", PCR8 = \"{value}\" }}, {{ NitroTPMPCR4 = \"{value}\" }}"),
        format!("{{ ImageSha384 = \"{}\" }}", value.to_uppercase()),
        String::new(),
    ] {
        assert!(settings(&measurements(&entry), Posture::Laptop).is_ok(), "{entry}");
    }
    let zeros = "0".repeat(96);
    for (entry, expected) in [
        (format!("{{ PCR0 = \"{zeros}\" }}"), "PCR0 is all zeros"),
        (format!("{{ PCR8 = \"{value}\", PCR1 = \"{zeros}\" }}"), "PCR1 is all zeros"),
        (format!("{{ PCR32 = \"{value}\" }}"), "no register \"PCR32\": write PCR0 to PCR31"),
        (format!("{{ PCR00 = \"{value}\" }}"), "no register \"PCR00\""),
        (format!("{{ pcr = \"{value}\" }}"), "no register \"pcr\""),
        ("{ PCR0 = \"abcd\" }".to_owned(), "PCR0 is not a measurement: 96 hexadecimal digits"),
        (format!("{{ PCR0 = \"0x{}\" }}", "ab".repeat(47)), "PCR0 is not a measurement"),
        ("{}".to_owned(), "it is empty, and would admit every document: remove it"),
        (
            format!("{{ PCR0 = \"{value}\", NitroTPMPCR4 = \"{value}\" }}"),
            "PCR0 is of an enclave and NitroTPMPCR4 of a NitroTPM, which no document has together: \
             write two entries",
        ),
        (
            format!("{{ nitrotpmpcr4 = \"{value}\", PCR4 = \"{value}\", a = \"\" }}"),
            "no register \"a\"",
        ),
        (
            format!("{{ NitroTPMPCR4 = \"{value}\", pcr4 = \"{value}\" }}"),
            "pcr4 is of an enclave and NitroTPMPCR4 of a NitroTPM",
        ),
        (
            format!("{{ ImageSha384 = \"{value}\", PCR0 = \"{value}\" }}"),
            "ImageSha384 and PCR0 are one register: write one of them",
        ),
        (
            format!("{{ PCR8 = \"{value}\", PCR1 = \"{value}\", pcr8 = \"{value}\" }}"),
            "PCR8 and pcr8 are one register: write one of them",
        ),
    ] {
        let second = format!("{{ PCR0 = \"{value}\" }}, {entry}");
        for (number, entries) in [(1, &entry), (2, &second)] {
            let error = refused(&measurements(entries), Posture::Laptop);
            let start = format!("[recipient] measurements, entry {number}: {expected}");
            assert!(error.starts_with(&start), "{entries}: {error}");
        }
    }
}
