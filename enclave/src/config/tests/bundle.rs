use attestation::crypto::Sha384;

use super::*;
use crate::pcr_extension::{ConfigDigests, extended_once};

const FALLBACK_SALT: [u8; SALT_LENGTH] = [9; SALT_LENGTH];

/// Returns a folder with a configuration, and the path of its TOML file.
fn folder(toml: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("enclave.toml");
    fs::write(&path, toml).unwrap();
    fs::write(folder.path().join("wallet.json"), POLICY).unwrap();
    fs::write(folder.path().join("salt"), [7; 32]).unwrap();
    (folder, path)
}

fn measure(toml: &str) -> ConfigDigests {
    let (_folder, path) = folder(toml);
    ConfigBundle::load(&path).unwrap().measure(&FALLBACK_SALT).unwrap()
}

fn example() -> String {
    production(&[CREDENTIAL, "session_token = \"AQoDYXdz\"\n"].concat())
}

/// Returns whether a change of the configuration changes PCR16 and PCR17.
fn changes(from: &str, to: &str) -> (bool, bool) {
    let changed = example().replace(from, to);
    assert_ne!(changed, example(), "{from}");
    let (one, other) = (measure(&example()), measure(&changed));
    (one.public != other.public, one.secrets != other.secrets)
}

#[test]
fn measures_public_bytes_and_secrets_separately() {
    for (from, to) in [
        ("AKIDEXAMPLE", "AKIDEXAMPLF"),
        ("role/wallet", "role/mallet"),
        ("eu-west-1", "eu-west-2"),
        ("[auth]", "[auth] # a remark"),
        ("mode = ", "mode  = "),
    ] {
        assert_eq!(changes(from, to), (true, false), "{to}");
    }
    assert_eq!(changes(SECRET, "another"), (false, true));
    assert_eq!(changes("AQoDYXdz", "AQoDYXdy"), (false, true));
    // The spelling of a TOML string does not matter.
    assert_eq!(changes("\"AQoDYXdz\"", "'AQoDYXdz'"), (false, false));
    assert_eq!(changes("session_token = \"AQoDYXdz\"\n", ""), (true, true));
    // Moving a byte from one secret to the next changes the measurement.
    let moved = example().replace(SECRET, &[SECRET, "A"].concat()).replace("AQoDYXdz", "QoDYXdz");
    assert_ne!(measure(&moved).secrets, measure(&example()).secrets);
}

#[test]
fn measures_named_files() {
    let (folder, path) = folder(&example());
    let measure = || ConfigBundle::load(&path).unwrap().measure(&FALLBACK_SALT).unwrap();
    let before = measure();
    fs::write(folder.path().join("beside.json"), "of no account").unwrap();
    assert_eq!(measure(), before);
    fs::write(folder.path().join("wallet.json"), POLICY.replace("Allow", "Deny")).unwrap();
    assert_ne!(measure().public, before.public);
    assert_eq!(measure().secrets, before.secrets);
    fs::remove_file(folder.path().join("wallet.json")).unwrap();
    let error = ConfigBundle::load(&path).unwrap().measure(&FALLBACK_SALT).unwrap_err().to_string();
    assert!(error.ends_with("/wallet.json: No such file or directory (os error 2)"), "{error}");
}

#[test]
fn measures_salt_with_the_secrets() {
    let (folder, path) = folder(&example());
    let measure = |fresh| ConfigBundle::load(&path).unwrap().measure(fresh).unwrap();
    let before = measure(&FALLBACK_SALT);
    assert_eq!(measure(&[8; SALT_LENGTH]), before);
    fs::write(folder.path().join("salt"), [6; 32]).unwrap();
    let salted = measure(&FALLBACK_SALT);
    assert_eq!(salted.public, before.public);
    assert_ne!(salted.secrets, before.secrets);
    fs::remove_file(folder.path().join("salt")).unwrap();
    assert_ne!(measure(&FALLBACK_SALT).secrets, measure(&[8; SALT_LENGTH]).secrets);
    fs::write(folder.path().join("salt"), [7; 31]).unwrap();
    let error = ConfigBundle::load(&path).unwrap_err().to_string();
    assert!(error.contains("/salt: the salt does not have 32 bytes"), "{error}");
}

/// Computes both registers by the documented format.
#[test]
fn pcr16_and_pcr17_match_the_documented_format() {
    let (_folder, path) = folder(&example());
    let bundle = ConfigBundle::load(&path).unwrap();
    let measured = bundle.measure(&FALLBACK_SALT).unwrap();
    let archive = bundle.public_archive().unwrap();
    assert_eq!(measured.configuration_pcr(), extended_once(Sha384::digest(&archive)));
    let text = String::from_utf8_lossy(&archive);
    assert!(text.contains("secret_access_key = \"\"\n") && text.contains("AKIDEXAMPLE"));
    assert!(!text.contains(SECRET) && !text.contains("AQoDYXdz"));
    let secrets = [
        &[7; 32][..],
        &[0, 0, 0, 0, 0, 0, 0, 21],
        SECRET.as_bytes(),
        &[0, 0, 0, 0, 0, 0, 0, 8],
        b"AQoDYXdz",
    ];
    assert_eq!(measured.secrets_pcr(), extended_once(Sha384::digest(&secrets.concat())));
}

#[test]
fn archive_and_folder_have_the_same_measurement() {
    let (folder, path) = folder(&example());
    let bundle = ConfigBundle::load(&path).unwrap();
    let archive = folder.path().join("config.tar");
    fs::write(&archive, &*bundle.archive().unwrap()).unwrap();
    let unpacked = ConfigBundle::load(&archive).unwrap();
    let measured = bundle.measure(&FALLBACK_SALT).unwrap();
    assert_eq!(unpacked.measure(&FALLBACK_SALT).unwrap(), measured);
    let settings = Config::load(Some(&archive)).unwrap().settings(Profile::Production).unwrap();
    assert_eq!(settings.measurement, Some(measured));

    let public = bundle.public_archive().unwrap();
    let published = ConfigBundle::from_archive(Path::new("p.tar"), &public).unwrap();
    assert_eq!(published.measure(&FALLBACK_SALT).unwrap().public, measured.public);
    let public = archive::decode(&public).unwrap();
    let published = tempfile::tempdir().unwrap();
    for (name, bytes) in &public {
        fs::write(published.path().join(name), bytes).unwrap();
    }
    assert_eq!(public.keys().collect::<Vec<_>>(), ["enclave.toml", "wallet.json"]);
    let published = ConfigBundle::load(&published.path().join("enclave.toml")).unwrap();
    assert!(!published.has_salt());
    assert_eq!(published.measure(&FALLBACK_SALT).unwrap().public, measured.public);
}

#[test]
fn rejects_archive_with_missing_or_extra_files() {
    let toml = example();
    let named = |files: &[(&'static str, &'static str)]| {
        let mut all =
            archive::ArchiveFiles::from([(TOML_NAME, toml.as_bytes()), (SALT_NAME, &[7; 32])]);
        all.extend(files.iter().map(|(name, text)| (*name, text.as_bytes())));
        ConfigBundle::from_archive(Path::new("a.tar"), &archive::encode(&all).unwrap())
    };
    named(&[("wallet.json", POLICY)]).unwrap();
    let archive_error = |files| named(files).unwrap_err().to_string();
    assert_eq!(
        archive_error(&[("wallet.json", POLICY), ("other.json", POLICY)]),
        "a.tar: the archive contains \"other.json\", which its enclave.toml does not name: remove that file"
    );
    let error = Config::from_bundle(named(&[]).unwrap())
        .unwrap()
        .settings(Profile::Production)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "a.tar/enclave.toml: [[credential]] number 1: a.tar/wallet.json: not in the archive"
    );
    let nothing = archive::encode(&archive::ArchiveFiles::new()).unwrap();
    let error = ConfigBundle::from_archive(Path::new("a.tar"), &nothing).unwrap_err().to_string();
    assert_eq!(
        error,
        "a.tar: the archive contains no enclave.toml: create the archive with attested-recipient \
         config-archive"
    );
    let error = ConfigBundle::from_archive(Path::new("a.tar"), b"").unwrap_err().to_string();
    assert!(error.starts_with("a.tar: the encoding is not canonical"), "{error}");
}

#[test]
fn production_requires_a_salt() {
    let (folder, path) = folder(&example());
    fs::remove_file(folder.path().join("salt")).unwrap();
    let settings = |profile| Config::load(Some(&path)).unwrap().settings(profile);
    let error = settings(Profile::Production).unwrap_err().to_string();
    assert!(
        error.contains("enclave.toml: there is no file named salt in the same folder"),
        "{error}"
    );
    let [one, other] =
        [(); 2].map(|()| settings(Profile::Development).unwrap().measurement.unwrap());
    assert_eq!(one.public, other.public);
    assert_ne!(one.secrets, other.secrets);
    let default = Config::default().settings(Profile::Development).unwrap();
    assert_eq!(default.measurement, None);
}

#[test]
fn bundle_debug_contains_no_content() {
    let (_folder, path) = folder(&example());
    let text = format!("{:?}", ConfigBundle::load(&path).unwrap());
    assert!(
        text.contains("wallet.json") && !text.contains(SECRET) && !text.contains("AKID"),
        "{text}"
    );
}

#[test]
fn rejects_tables_written_as_value_lists() {
    let by_position = format!(
        "credential = [[\"AKIDEXAMPLE\", \"{SECRET}\", \"arn:aws:iam::123456789012:role/wallet\", \
         [], \"AQoDYXdz\", 2030-01-01T00:00:00Z]]\n[auth]\nregion = \"eu-west-1\"\n"
    );
    let tls = "tls = [\"provided\", [], \"wallet.json\", \"salt\"]\n";
    for text in [by_position.as_str(), "trust = [[\"wallet.json\"]]\n", tls] {
        let error = load(text).unwrap_err().to_string();
        assert!(error.contains("is written as a list of values"), "{error}");
        assert!(!error.contains(SECRET), "{error}");
    }
}

#[test]
fn rejects_unnamed_archive_and_oversized_entry() {
    let (folder, path) = folder(&example());
    let archive = folder.path().join("config.bin");
    fs::write(&archive, &*ConfigBundle::load(&path).unwrap().archive().unwrap()).unwrap();
    let error = ConfigBundle::load(&archive).unwrap_err().to_string();
    assert!(error.ends_with(
        "config.bin: the file is a tar archive: rename the file so that its name ends in .tar"
    ));
    let long = vec![b' '; MAX_FILE_LENGTH + 1];
    let toml = example();
    let files =
        archive::ArchiveFiles::from([("wallet.json", &long[..]), (TOML_NAME, toml.as_bytes())]);
    let archive = archive::encode(&files).unwrap();
    let error = ConfigBundle::from_archive(Path::new("a.tar"), &archive).unwrap_err().to_string();
    assert_eq!(error, "a.tar: \"wallet.json\" in the archive is longer than 1 MiB");
}

#[test]
fn detects_missing_and_leaked_secrets() {
    let (_folder, path) = folder(&example());
    let bundle = ConfigBundle::load(&path).unwrap();
    assert!(bundle.has_all_secrets().unwrap());
    assert!(!bundle.contains_secret_or_private_key(&bundle.public_archive().unwrap()).unwrap());
    let (_folder, path) = folder(&example().replace("[auth]", &format!("# once {SECRET}\n[auth]")));
    let bundle = ConfigBundle::load(&path).unwrap();
    assert!(bundle.contains_secret_or_private_key(&bundle.public_archive().unwrap()).unwrap());
    let (_folder, path) = folder(&example().replace(SECRET, ""));
    assert!(!ConfigBundle::load(&path).unwrap().has_all_secrets().unwrap());
}
