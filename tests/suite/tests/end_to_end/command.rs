//! Tests of the command `attested-recipient`, which runs as a process.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Output;

use attested_recipient::{Document, RecipientKey};
use tempfile::TempDir;

use crate::service::Service;
use crate::vectors::vectors;

const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/keys");

fn run(arguments: &[&str]) -> Output {
    suite::command().args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// Creates a temporary folder with the file `name`.
fn file(name: &str, content: &[u8]) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

fn document(vectors: &Path, name: &str) -> String {
    vectors.join("attdocs").join(name).to_str().unwrap().to_owned()
}

/// Returns the only line of a report that contains a rejection.
fn rejection(report: &str) -> &str {
    let lines: Vec<&str> = report.lines().filter(|line| line.starts_with("REJECTED")).collect();
    let [line] = lines[..] else { panic!("{report}") };
    line
}

#[test]
fn random_prints_requested_bytes_in_each_format() {
    let service = Service::start();
    let random = |bytes: &str, form: &str| {
        let url = service.url();
        let random = ["random", "--simulator", "--endpoint", &url, "--bytes", bytes];
        let output = run(&[&random[..], &["--output", form]].concat());
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        output.stdout
    };
    assert_eq!(random("1024", "raw").len(), 1024);
    assert_eq!(random("1", "hex").len(), 3);
    assert_eq!(random("32", "base64").len(), 45);
    assert_ne!(random("32", "hex"), random("32", "hex"));
    let by_default = run(&["random", "--simulator", "--endpoint", &service.url(), "--bytes", "16"]);
    let text = stdout(&by_default);
    assert_eq!(text.len(), 33);
    assert!(text.trim_end().bytes().all(|byte| byte.is_ascii_hexdigit()), "{text}");
}

#[test]
fn random_rejects_number_of_bytes_out_of_range() {
    for bytes in ["0", "1025", "x"] {
        let output = run(&["random", "--endpoint", "http://127.0.0.1:1", "--bytes", bytes]);
        assert_eq!(code(&output), 2, "{bytes}");
    }
}

#[test]
fn random_error_names_the_unreachable_endpoint() {
    // The port has no listener, because its listener is dropped.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = format!("http://{address}");
    let output = run(&["random", "--simulator", "--endpoint", &endpoint, "--bytes", "1"]);
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains(&endpoint), "{}", stderr(&output));
}

/// Inside an enclave and on its parent instance, a loopback address is the relay.
#[test]
fn random_refuses_to_start_without_measurements() {
    let service = Service::start();
    let pcr = |index: u8| format!("{index}={}", "16".repeat(48));
    let (pcr0, pcr8, pcr16) = (pcr(0), pcr(8), pcr(16));
    let random = |options: &[&str]| {
        let url = service.url();
        run(&[&["random", "--endpoint", &url, "--bytes", "16"], options].concat())
    };
    for (options, status, message) in [
        (&[][..], 2, "no measurement is expected, so any enclave would pass"),
        (&["--pcr", &pcr8], 2, "no value of PCR0"),
        (&["--pcr", &pcr0, "--pcr", &pcr8], 2, "no value of PCR16"),
        (&["--pcr", &pcr0, "--pcr", &pcr16], 1, "the document comes from a simulator"),
        (
            &["--pcr", &pcr0, "--pcr", &pcr16, "--simulator"],
            1,
            "step 5 (measurements): the enclave matches no expected set",
        ),
    ] {
        let output = random(options);
        assert_eq!((code(&output), output.stdout.len()), (status, 0), "{options:?}");
        assert!(stderr(&output).contains(message), "{message}: {}", stderr(&output));
    }
    let output = random(&["--simulator"]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert_eq!(stderr(&output).matches("NOTHING IS PROVED").count(), 1, "{}", stderr(&output));
}

#[test]
fn inspect_shows_what_document_requested() {
    let service = Service::start();
    let key = RecipientKey::from_pem(include_str!("../../keys/rsa-2048.pem")).unwrap();
    let (folder, spki) = file("key.der", key.public_key_der());
    let out = folder.path().join("document.bin");
    let out = out.to_str().unwrap();
    let pcr = format!("7={}", "ab".repeat(48));
    let output = run(&[
        "document",
        "--endpoint",
        &service.url(),
        "--public-key",
        &spki,
        "--out",
        out,
        "--nonce",
        "01ff",
        "--user-data",
        "",
        "--kind",
        "nitrotpm",
        "--age",
        "7",
        "--pcr",
        &pcr,
    ]);
    assert_eq!(code(&output), 0, "{}", stderr(&output));

    let inspected = stdout(&run(&["inspect", out]));
    for expected in [
        "NOT VERIFIED",
        "module_id    simulated-i-00000000000000000-tpm0000000000000000",
        "nitrotpm_pcrs 24 of a NitroTPM",
        &format!("PCR7       {}", "ab".repeat(48)),
        "cabundle[0]  2019-10-28T13:28:05Z to 2049-10-28T14:28:05Z",
        "NITRO SIMULATOR ROOT - DO NOT TRUST",
        "public_key   RSA-2048",
        "user_data    empty",
        "nonce        2 bytes, 01ff",
    ] {
        assert!(inspected.contains(expected), "{expected}: {inspected}");
    }
    assert!(!inspected.contains("DEBUG MODE"));
}

#[test]
fn inspect_warns_of_debug_mode_and_rejects_other_files() {
    let service = Service::start();
    let debug = Document { debug: true, ..Document::default() };
    let (_folder, path) = file("document.bin", &service.simulator.document(&debug).unwrap());
    assert!(stdout(&run(&["inspect", &path])).contains("*** DEBUG MODE"));
    let (_folder, path) = file("document.bin", b"not a document");
    let output = run(&["inspect", &path]);
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("not a COSE_Sign1"), "{}", stderr(&output));
    assert_eq!(code(&run(&["inspect", "/does/not/exist"])), 2);
}

#[test]
fn open_decrypts_with_pkcs8_and_pkcs1_keys() {
    let service = Service::start();
    let key = RecipientKey::from_pem(include_str!("../../keys/rsa-2048.pem")).unwrap();
    let document = service.simulator.document(&Document::for_key(&key)).unwrap();
    let sealed = suite::client(&service.url()).generate_random_for(100, &document).unwrap();
    let (_folder, path) = file("sealed.bin", &sealed);
    let expected = key.open(&sealed).unwrap();
    for name in ["rsa-2048.pem", "rsa-2048-pkcs1.pem"] {
        let output = run(&["open", "--key", &format!("{KEYS}/{name}"), &path]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        assert_eq!(output.stdout, *expected);
    }
    let output = run(&["open", "--key", &format!("{KEYS}/rsa-3072.pem"), &path]);
    assert_eq!((code(&output), output.stdout.len()), (1, 0));
    assert!(stderr(&output).contains("sealed to another key"));
    let output = run(&["open", "--key", &path, &path]);
    assert_eq!(code(&output), 2);
    let (_folder, text) = file("sealed.b64", b"MIAGCSqGSIb3DQEHA6CA");
    let output = run(&["open", "--key", &format!("{KEYS}/rsa-2048.pem"), &text]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("base64 -d"));
}

#[test]
fn open_decrypts_real_kms_envelope_and_rejects_sha1() {
    let Some(vectors) = vectors("open on real envelopes") else { return };
    let cms = vectors.join("cms");
    let path = |name: &str| cms.join(name).to_str().unwrap().to_owned();
    let key = path("edgebit_key.pem");
    let output = run(&["open", "--key", &key, &path("edgebit_ciphertext_for_recipient.ber")]);
    assert_eq!(output.stdout, fs::read(path("edgebit_plaintext.bin")).unwrap());
    let output = run(&["open", "--key", &key, &path("brodyxchen_sha1oaep.ber")]);
    assert_eq!((code(&output), output.stdout.len()), (1, 0));
    assert!(stderr(&output).contains("RSAES_OAEP_SHA_256"));
}

const VALID: [&str; 7] = [
    "anjuna_2021_prod_rsa2048.bin",
    "anjuna_2021_prod_nopk.bin",
    "vaportpm_2026_nitrotpm.bin",
    "fastcrypto_2025_prod_indef_pcr17.bin",
    "nitrite_2024_prod_maxfields.bin",
    "evervault_2023_prod_nonce256.bin",
    "opc_2024_prod.bin",
];
const VALID_IN_DEBUG_MODE: [&str; 2] =
    ["anjuna_2024_debug_rsa2048.bin", "dstack_2025_debug_indef.bin"];

#[test]
fn verify_accepts_aws_documents_at_their_own_time() {
    let Some(vectors) = vectors("verify --at document") else { return };
    for name in VALID {
        let output = run(&["verify", "--at", "document", &document(&vectors, name)]);
        assert_eq!(code(&output), 0, "{name}: {}", stdout(&output));
        assert!(stdout(&output).ends_with("\nverified\n"));
    }
    for name in VALID_IN_DEBUG_MODE {
        let path = document(&vectors, name);
        let output = run(&["verify", "--at", "document", &path]);
        assert_eq!(code(&output), 1, "{name}");
        let report = stdout(&output);
        assert!(rejection(&report).starts_with("REJECTED 17 debug mode: "), "{report}");
        let output = run(&["verify", "--at", "document", "--allow-debug", &path]);
        assert_eq!(code(&output), 0, "{name}: {}", stdout(&output));
    }
}

#[test]
fn verify_rejects_old_documents_as_expired() {
    let Some(vectors) = vectors("verify --at now") else { return };
    for name in VALID.into_iter().chain(VALID_IN_DEBUG_MODE) {
        let output = run(&["verify", &document(&vectors, name)]);
        assert_eq!(code(&output), 1, "{name}");
        let report = stdout(&output);
        let line = rejection(&report);
        assert!(line.starts_with("REJECTED 13 certificate validity: "), "{report}");
        assert!(line.contains(" expired at "), "{report}");
    }
}

#[test]
fn verify_names_the_broken_rule() {
    let Some(vectors) = vectors("verify on bad documents") else { return };
    for (name, expected) in [
        ("eternis_2024_badsig.bin", "REJECTED 16 document signature: "),
        ("nitrite_selfsigned.bin", "REJECTED  3 COSE headers: "),
    ] {
        let output = run(&["verify", "--at", "document", &document(&vectors, name)]);
        assert_eq!(code(&output), 1, "{name}");
        let report = stdout(&output);
        assert!(rejection(&report).starts_with(expected), "{report}");
        assert!(report.ends_with("\nrejected\n"));
    }
}

#[test]
fn verify_checks_the_key_only_with_recipient_option() {
    let Some(vectors) = vectors("verify --recipient") else { return };
    for (name, exit) in [("anjuna_2021_prod_rsa2048.bin", 0), ("opc_2024_prod.bin", 1)] {
        let path = document(&vectors, name);
        assert_eq!(code(&run(&["verify", "--at", "document", &path])), 0);
        let output = run(&["verify", "--at", "document", "--recipient", &path]);
        assert_eq!(code(&output), exit, "{name}: {}", stdout(&output));
    }
}

#[test]
fn verify_applies_pcr_max_age_and_root_options() {
    let service = Service::start();
    let age = Document { age_seconds: 100, ..Document::default() };
    let (folder, path) = file("document.bin", &service.simulator.document(&age).unwrap());
    let root = folder.path().join("root.pem");
    fs::write(&root, service.simulator.root_certificate_pem()).unwrap();
    let root = root.to_str().unwrap();
    let verify = |more: &[&str]| {
        let output = run(&[&["verify", &path], more].concat());
        (code(&output), stdout(&output))
    };
    assert_eq!(verify(&["--root", root]).0, 0);
    assert!(rejection(&verify(&[]).1).starts_with("REJECTED 12 trust anchor: "));
    let report = verify(&["--root", root, "--max-age", "99"]);
    assert!(rejection(&report.1).starts_with("REJECTED 14 document age: the document is too old"));
    assert_eq!(verify(&["--root", root, "--max-age", "chain"]).0, 0);
    assert_eq!(verify(&["--root", root, "--at", "2019-01-01T00:00:00Z"]).0, 1);

    let inspected = stdout(&run(&["inspect", &path]));
    let pcr0 = inspected.lines().find_map(|line| line.strip_prefix("  PCR0       ")).unwrap();
    assert_eq!(verify(&["--root", root, "--pcr", &format!("0={pcr0}")]).0, 0);
    let other = format!("1={pcr0}");
    let report = verify(&["--root", root, "--pcr", &other]);
    assert!(rejection(&report.1).starts_with("REJECTED 18 PCR1 as expected: the value is "));
    let absent = format!("16={pcr0}");
    let report = verify(&["--root", root, "--pcr", &absent]);
    assert!(rejection(&report.1).ends_with("the document does not contain this PCR"));
}

/// Uses a document of a simulator that was signed at 2026-11-30T06:49:01.432Z. Its leaf was issued
/// three seconds earlier.
#[test]
fn verify_allows_60_seconds_of_clock_skew() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/clock");
    let (path, root) = (format!("{folder}/document.bin"), format!("{folder}/root.pem"));
    let verify = |at: &str| {
        let output = run(&["verify", &path, "--root", &root, "--at", at]);
        (code(&output), stdout(&output))
    };
    for second in ["48:02", "48:30", "48:56", "48:57", "49:01", "53:02"] {
        let (code, report) = verify(&format!("2026-11-30T06:{second}Z"));
        assert_eq!(code, 0, "{second}: {report}");
    }
    for early in ["2026-11-30T06:48:01Z", "2026-11-30T06:47:00Z", "2020-01-01T00:00:00Z"] {
        let (code, report) = verify(early);
        assert_eq!(code, 1, "{early}");
        let line = format!(
            "REJECTED 14 document age: the document's timestamp is more than 60 s in the future: \
             verified at the given time {early}; the document was signed at 2026-11-30T06:49:01.432Z"
        );
        assert_eq!(rejection(&report), line);
        assert!(report.contains("-        13 certificate validity: not reached\n"), "{report}");
    }
    let (_, report) = verify("now");
    let line = rejection(&report);
    assert!(line.contains(" expired at 20") || line.contains(" is too old: "), "{report}");
    assert!(line.contains("this machine's clock shows 20"), "{report}");
    assert!(line.contains("; the document was signed at 2026-11-30T06:49:01.432Z"), "{report}");
}

#[test]
fn verify_prints_json_report() {
    let service = Service::start();
    let bytes = service.simulator.document(&Document::default()).unwrap();
    let (folder, path) = file("document.bin", &bytes);
    let root = folder.path().join("root.pem");
    fs::write(&root, service.simulator.root_certificate_pem()).unwrap();
    let json = |arguments: &[&str]| -> serde_json::Value {
        let output = run(&[&["verify", "--output", "json", &path], arguments].concat());
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let verified = json(&["--root", root.to_str().unwrap()]);
    assert_eq!(verified["verified"], true);
    assert_eq!(verified["rules"].as_array().unwrap().len(), 17);
    assert_eq!(verified["document"]["nonce"], serde_json::Value::Null);
    assert_eq!(verified["document"]["pcrs"].as_object().unwrap().len(), 16);
    let rejected = json(&[]);
    assert_eq!((&rejected["verified"], &rejected["document"]), (&false.into(), &().into()));
    assert_eq!(rejected["rules"][11]["result"], "rejected");
    assert_eq!(rejected["rules"][12]["result"], "not reached");
}

#[test]
fn usage_errors_exit_with_status_2() {
    let (_folder, garbage) = file("root.pem", b"not PEM");
    for arguments in [
        &["verify"][..],
        &["verify", "/does/not/exist"],
        &["verify", "--at", "yesterday", &garbage],
        &["verify", "--pcr", "32=00", &garbage],
        &["verify", "--max-age", "long", &garbage],
        &["verify", "--root", &garbage, &garbage],
        &["document", "--endpoint", "http://127.0.0.1:1"],
        &["unknown"],
    ] {
        let output = run(arguments);
        assert_eq!(code(&output), 2, "{arguments:?}: {}", stderr(&output));
        assert!(!output.stderr.is_empty());
    }
}
