//! Tests of the CA bundle with other programs, and of failures after which the bundle must be
//! unchanged.

use std::fs::{self, File};
use std::os::unix::fs::{FileTypeExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::enclave::{Enclave, pcr0};
use crate::trust_command::{Outcome, trust, trust_with_existing_file};

fn trust_two(existing: Option<&str>, one: &Enclave, other: &Enclave, more: &[&str]) -> Outcome {
    let (url, other_url, pcr0) = (one.url(), other.url(), pcr0());
    let (root, other_root) = (one.root(), other.root());
    let arguments =
        [&url, &other_url, "--simulator", "--root", &root, "--root", &other_root, "--pcr", &pcr0];
    trust_with_existing_file(existing, &[&arguments, more].concat())
}

#[test]
fn writes_one_bundle_for_several_urls() {
    let (one, other) = (Enclave::start(), Enclave::start());
    let outcome = trust_two(Some("old"), &one, &other, &[]);
    assert_eq!((outcome.status, outcome.stdout.lines().count()), (0, 2), "{}", outcome.stderr);
    let bundle = outcome.bundle.unwrap();
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(bundle.as_bytes())
        .map(|certificate| certificate.unwrap())
        .collect();
    let expected = [&one, &other].map(|enclave| enclave.authority.certificate().clone());
    assert_eq!(certificates, expected);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("enclave-ca.pem");
    fs::write(&path, &bundle).unwrap();
    let output = Command::new("openssl").args(["storeutl", "-noout", "-certs"]).arg(&path).output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    assert!(text.contains("Total found: 2"), "{text}");
    let count = "import ssl, sys\n\
                 context = ssl.create_default_context(cafile=sys.argv[1])\n\
                 print(len(context.get_ca_certs()))";
    let output = Command::new("python3").args(["-c", count]).arg(&path).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "2\n");
}

#[test]
fn lists_a_ca_once_for_all_its_urls() {
    let enclave = Enclave::start();
    let url = enclave.url();
    let by_name = format!("https://localhost:{}", enclave.terminator.address.port());
    let outcome =
        trust(&[&url, &by_name, &url, "--simulator", "--root", &enclave.root(), "--pcr", &pcr0()]);
    let bundle = outcome.bundle.unwrap();
    assert_eq!(bundle.matches("BEGIN CERTIFICATE").count(), 1, "{bundle}");
    let comments: Vec<_> = bundle.lines().filter(|line| line.starts_with("# ")).collect();
    assert_eq!(comments.len(), 3, "{bundle}");
    assert!(comments[1].starts_with(&format!("# {by_name} simulated-")), "{bundle}");
}

#[test]
fn one_rejected_url_leaves_the_bundle_unchanged() {
    let good = Enclave::start();
    let bad = Enclave::with_document(|document| {
        document.pcrs.insert(0, [1; 48]);
    });
    for (one, other) in [(&good, &bad), (&bad, &good)] {
        let outcome = trust_two(None, one, other, &[]);
        outcome.assert_fails(14, &format!("attested-recipient: {}: unexpected", bad.url()));
        let outcome = trust_two(Some("old"), one, other, &[]);
        assert_eq!((outcome.status, &*outcome.stdout), (14, ""), "{outcome:?}");
        assert_eq!(outcome.bundle.as_deref(), Some("old"));
    }
}

/// Returns a `trust` command that writes the bundle to `out`.
fn command(enclave: &Enclave, out: &Path) -> Command {
    let mut command = suite::command();
    command.args([
        "trust",
        &enclave.url(),
        "--simulator",
        "--root",
        &enclave.root(),
        "--pcr",
        &pcr0(),
        "--out",
    ]);
    command.arg(out);
    command
}

#[test]
fn does_not_replace_links_sockets_or_folders() {
    let enclave = Enclave::start();
    let folder = tempfile::tempdir().unwrap();
    let [file, link, socket] = ["file", "link", "socket"].map(|name| folder.path().join(name));
    fs::write(&file, "old").unwrap();
    symlink(&file, &link).unwrap();
    let _listener = UnixListener::bind(&socket).unwrap();
    let named_as_folder = folder.path().join("new/");
    for (out, message) in [
        (&*link, "the path is a symbolic link"),
        (&socket, "the path is not a regular file"),
        (folder.path(), "the path is not a regular file"),
        (&named_as_folder, "the path ends with"),
    ] {
        let rejected = command(&enclave, out).output().unwrap();
        assert_eq!(rejected.status.code(), Some(2), "{rejected:?}");
        let stderr = String::from_utf8(rejected.stderr).unwrap();
        assert!(stderr.contains(message), "{stderr}");
    }
    assert_eq!(fs::read_link(&link).unwrap(), file);
    assert_eq!(fs::read_to_string(&file).unwrap(), "old");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    assert!(fs::symlink_metadata(&socket).unwrap().file_type().is_socket());
}

#[test]
fn writes_no_bundle_when_output_fails() {
    let enclave = Enclave::start();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("enclave-ca.pem");
    let full = || File::options().write(true).open("/dev/full").unwrap();
    let mut full_stdout = command(&enclave, &out);
    full_stdout.stdout(full());
    // The warning about a simulator must not be lost.
    let mut full_stderr = command(&enclave, &out);
    full_stderr.stderr(full());
    for mut command in [full_stdout, full_stderr] {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
