//! Tests of `attested-recipient config-archive` and `config-pcr`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use sha2::{Digest, Sha384};
use tempfile::TempDir;

const SECRET: &str = "wJalrXUtnFEMI-K7MDENG";

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let this = Self(tempfile::tempdir().unwrap());
        this.write(
            "wallet.json",
            r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#,
        );
        this.write_toml(SECRET);
        this
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn write_toml(&self, secret: &str) {
        let toml = format!(
            "[tls]\nmode = \"off\"\n[auth]\nregion = \"eu-west-1\"\n[[credential]]\naccess_key_id = \"AKIDEXAMPLE\"\n\
             secret_access_key = \"{secret}\"\n\
             principal = \"arn:aws:iam::123456789012:role/wallet\"\npolicies = [\"wallet.json\"]\n"
        );
        self.write("enclave.toml", &toml);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn archive(&self, out: &str, more: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_attested-recipient"));
        command.arg("config-archive").arg(self.0.path()).args(more);
        command.arg("--out").arg(self.path(out)).output().unwrap()
    }

    /// Runs `config-pcr`. Returns PCR16, PCR17 if the command prints its value, and standard error.
    fn pcrs(&self, name: &str) -> (String, Option<String>, String) {
        pcrs(&self.path(name))
    }

    fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.path(name)).unwrap().permissions().mode() & 0o777
    }
}

fn pcrs(path: &Path) -> (String, Option<String>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_attested-recipient"));
    let output = command.arg("config-pcr").arg(path).output().unwrap();
    let stderr = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let pcrs: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |name: &str| pcrs[name].as_str().map(str::to_owned);
    (text("PCR16").unwrap(), text("PCR17"), stderr)
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Returns the PEM lines between the delimiters.
fn body(pem: &str) -> Vec<&str> {
    pem.lines().filter(|line| !line.starts_with("-----")).collect()
}

fn is_there(haystack: &[u8], needle: &str) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle.as_bytes())
}

#[test]
fn folder_archive_and_public_archive_have_same_pcr16() {
    let folder = Folder::new();
    let output = folder.archive("config.tar", &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!((folder.mode("config.tar"), folder.mode("salt")), (0o600, 0o600));
    assert_eq!(fs::read(folder.path("salt")).unwrap().len(), 32);
    let (public, secrets, message) = folder.pcrs("");
    assert_eq!(message, "");
    assert!(secrets.is_some());
    assert_eq!(folder.pcrs("config.tar"), (public.clone(), secrets.clone(), message));
    assert_eq!(folder.pcrs("enclave.toml").0, public);

    let output = folder.archive("public.tar", &["--public"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let (same, none, message) = folder.pcrs("public.tar");
    assert_eq!((same, none), (public.clone(), None));
    assert!(message.contains("lacks the file salt"), "{message}");
    let archive = fs::read(folder.path("public.tar")).unwrap();
    assert!(is_there(&archive, "AKIDEXAMPLE") && !is_there(&archive, SECRET));
    assert!(is_there(&fs::read(folder.path("config.tar")).unwrap(), SECRET));
    // The documented computation is PCR16 = SHA-384(48 zero bytes ‖ SHA-384(public.tar)).
    let digest = Sha384::digest(&archive);
    let pcr = Sha384::new().chain_update([0; 48]).chain_update(digest).finalize();
    assert_eq!(const_hex::encode(pcr), public);

    // A second archive has the same salt.
    assert_eq!(folder.archive("again.tar", &[]).status.code(), Some(0));
    assert_eq!(
        fs::read(folder.path("again.tar")).unwrap(),
        fs::read(folder.path("config.tar")).unwrap()
    );
    folder.write_toml("another");
    let (same, other, _) = folder.pcrs("");
    assert_eq!(same, public);
    assert_ne!(other, secrets);
}

#[test]
fn private_key_is_in_pcr17_and_not_in_public_archive() {
    let folder = Folder::new();
    let mut toml = fs::read_to_string(folder.path("enclave.toml")).unwrap();
    let off = "mode = \"off\"\n";
    let provided = "mode = \"provided\"\ncertificate = \"tls.crt\"\nprivate_key = \"tls.key\"\n";
    assert!(toml.contains(off));
    toml = toml.replace(off, provided);
    folder.write("enclave.toml", &toml);
    folder.write("tls.crt", include_str!("../../../suite/keys/tls/p256.crt.pem"));
    let key = include_str!("../../../suite/keys/tls/p256.pkcs8.pem");
    folder.write("tls.key", key);
    for (out, more, shows_it) in
        [("config.tar", &[][..], true), ("public.tar", &["--public"][..], false)]
    {
        let output = folder.archive(out, more);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let archive = fs::read(folder.path(out)).unwrap();
        assert!(is_there(&archive, "-----BEGIN CERTIFICATE-----"));
        assert!(is_there(&archive, "tls.key"));
        for line in body(key) {
            assert_eq!(is_there(&archive, line), shows_it, "{out}: {line}");
        }
    }
    assert_eq!(folder.mode("config.tar"), 0o600);
    let (public, secrets, _) = folder.pcrs("");
    assert!(secrets.is_some());
    assert_eq!(folder.pcrs("config.tar"), (public.clone(), secrets.clone(), String::new()));
    let (same, none, _) = folder.pcrs("public.tar");
    assert_eq!((same, none), (public.clone(), None));

    // The same key in another encoding.
    folder.write("tls.key", include_str!("../../../suite/keys/tls/p256.sec1.pem"));
    let (same, other, _) = folder.pcrs("");
    assert_eq!(same, public);
    assert_ne!(other, secrets);
    // The folder contains the key file of a public archive, and a salt.
    folder.write("tls.key", "");
    assert_eq!(folder.pcrs("").1, None);
    folder.write("tls.key", include_str!("../../../suite/keys/tls/rsa.pkcs8.pem"));
    let output = folder.archive("other.tar", &[]);
    assert_eq!(output.status.code(), Some(2));
    let message = stderr(&output);
    assert!(message.contains("private_key does not match the first certificate"), "{message}");
}

#[test]
fn archive_is_ustar() {
    let folder = Folder::new();
    assert_eq!(folder.archive("config.tar", &[]).status.code(), Some(0));
    let bytes = fs::read(folder.path("config.tar")).unwrap();
    let names: Vec<_> = bytes
        .chunks(512)
        .filter(|block| block.get(257..262) == Some(b"ustar"))
        .map(|block| String::from_utf8_lossy(&block[..100]).trim_end_matches('\0').to_owned())
        .collect();
    assert_eq!(names, ["enclave.toml", "salt", "wallet.json"]);
}

#[test]
fn rejects_invalid_configuration_without_writing_archive() {
    type Break = fn(&Folder);
    let cases: [(Break, &str); 10] = [
        (
            |folder| fs::remove_file(folder.path("wallet.json")).unwrap(),
            "wallet.json: No such file",
        ),
        (|folder| folder.write("wallet.json", "{}"), "wallet.json"),
        (
            |folder| folder.write("enclave.toml", "[auth]\nregion = \"eu-west-1\"\n"),
            "[tls] mode is missing: write mode = \"attested\"",
        ),
        (|folder| folder.write_toml(""), "a secret must be a non-empty string"),
        (|folder| folder.write("salt", "short"), "the salt does not have 32 bytes"),
        (|folder| folder.write("enclave.toml", "[auth\n"), "enclave.toml: line 1"),
        (
            |folder| fs::remove_file(folder.path("enclave.toml")).unwrap(),
            "enclave.toml: No such file",
        ),
        (
            |folder| folder.write("enclave.toml", "[trust]\nanchors = [\"../r.pem\"]\n"),
            "use a path below",
        ),
        (
            |folder| folder.write("enclave.toml", "[trust]\nanchors = [\"/r.pem\"]\n"),
            "use a path below",
        ),
        (
            |folder| folder.write("enclave.toml", "[trust]\nanchors = [\"wallet.json\"]\n"),
            "holds no CERTIFICATE",
        ),
    ];
    for (break_it, expected) in cases {
        let folder = Folder::new();
        break_it(&folder);
        let output = folder.archive("config.tar", &[]);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains(expected), "{expected}: {message}");
        assert!(!message.contains(SECRET), "{message}");
        assert!(!folder.path("config.tar").exists());
    }
}

#[test]
fn rejects_public_archive_that_contains_a_secret() {
    let folder = Folder::new();
    let toml = fs::read_to_string(folder.path("enclave.toml")).unwrap();
    for (changed, expected) in [
        (toml.replace("secret_access_key", "secret_acces_key"), "unknown field `secret_acces_key`"),
        (format!("# {SECRET}\n{toml}"), "also occurs in a comment"),
        (format!("{toml}# -----BEGIN EC PRIVATE KEY-----\n"), "also occurs in a comment"),
    ] {
        folder.write("enclave.toml", &changed);
        let output = folder.archive("public.tar", &["--public"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
        assert!(!folder.path("public.tar").exists());
    }
    // The TOML file of a public archive has no secrets, so PCR17 is unknown with any salt.
    folder.write("enclave.toml", &toml.replace(SECRET, ""));
    fs::write(folder.path("salt"), [7; 32]).unwrap();
    assert_eq!(folder.pcrs("").1, None);
}

#[test]
fn rejects_out_that_replaces_configuration_file() {
    let folder = Folder::new();
    // The file `salt` does not exist yet, but the output path must not be this file.
    for more in [&[][..], &["--public"]] {
        let output = folder.archive("salt", more);
        assert!(stderr(&output).contains("would overwrite"), "{more:?}");
        assert!(!folder.path("salt").exists());
    }
    fs::write(folder.path("salt"), [7; 32]).unwrap();
    std::os::unix::fs::symlink(".", folder.path("here")).unwrap();
    for name in ["enclave.toml", "salt", "wallet.json", "here/enclave.toml"] {
        let before = fs::read(folder.path("enclave.toml")).unwrap();
        let output = folder.archive(name, &[]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains("would overwrite"), "{name}");
        assert_eq!(fs::read(folder.path("enclave.toml")).unwrap(), before);
    }
}

#[test]
fn creates_no_salt_for_invalid_configuration() {
    let folder = Folder::new();
    folder.write_toml("");
    assert_eq!(folder.archive("config.tar", &[]).status.code(), Some(2));
    assert!(!folder.path("salt").exists());
}

#[test]
fn server_table_is_measured_and_published() {
    let folder = Folder::new();
    assert_eq!(folder.archive("config.tar", &[]).status.code(), Some(0));
    let (public, secrets, _) = folder.pcrs("config.tar");
    let toml = fs::read_to_string(folder.path("enclave.toml")).unwrap();
    let server = "[server]\nlisten = \"vsock:4294967295:5000\"\nlog_endpoint = \"vsock:3:5003\"\n";
    folder.write("enclave.toml", &format!("{server}{toml}"));
    assert_eq!(folder.archive("config.tar", &[]).status.code(), Some(0));
    let (other, same, _) = folder.pcrs("config.tar");
    assert_ne!(other, public);
    assert_eq!(same, secrets);
    assert_eq!(folder.archive("public.tar", &["--public"]).status.code(), Some(0));
    assert!(is_there(&fs::read(folder.path("public.tar")).unwrap(), server));
    assert_eq!(folder.pcrs("public.tar").0, other);

    folder.write("enclave.toml", &format!("[server]\nlisten = \"5000\"\n{toml}"));
    let output = folder.archive("other.tar", &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("line 2 column 10: expected vsock:CID:PORT"),
        "{}",
        stderr(&output)
    );
}
