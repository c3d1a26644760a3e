//! Tests of `attested-recipient random`: saved exchanges, and a relay that answers by itself.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use std::time::{Duration, Instant};
use std::{fs, thread};

use attestation::UnverifiedDocument;
use attested_recipient::{ClientError, Document, RecipientKey, Simulator};
use serde_json::json;
use tempfile::TempDir;

use crate::enclave::{RECIPIENT, Run, run};
use crate::python_example::python;
use crate::vectors::vectors;

/// Time limit that only a hang reaches.
const HANG_TIMEOUT: Duration = Duration::from_secs(60);

const ATTESTED_TLS: &str = "[tls]\nmode = \"attested\"\nnames = [\"127.0.0.1\"]\n";

/// Runs `random` for the service at `url`, with a simulator as the only expectation.
fn random(url: &str, more: &[&str]) -> Run {
    run(&[&["random", "--simulator", "--endpoint", url, "--bytes", "32"], more].concat())
}

fn path(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).to_str().unwrap().to_owned()
}

#[test]
fn saved_exchange_verifies_and_discloses_the_bytes() {
    for (scheme, config) in [("http", ""), ("https", ATTESTED_TLS)] {
        let folder = tempfile::tempdir().unwrap();
        let (file, key) = (path(&folder, "exchange.json"), path(&folder, "content-key"));
        let (root, configuration) = (path(&folder, "root.pem"), path(&folder, "enclave.toml"));
        fs::write(&configuration, config).unwrap();
        let simulator = Simulator::builder().config_file(&configuration).start().unwrap();
        assert!(simulator.endpoint_url().starts_with(&format!("{scheme}://")));
        fs::write(&root, simulator.root_certificate_pem()).unwrap();
        let url = simulator.endpoint_url();
        let saved = random(url, &["--key", RECIPIENT, "--save-exchange", &file]);
        assert_eq!((saved.status, saved.stdout.len()), (0, 65), "{saved:?}");
        let disclosed = run(&["disclose", &file, "--key", RECIPIENT, "--out", &key]);
        assert_eq!(disclosed.status, 0, "{disclosed:?}");
        let verify =
            ["verify-receipt", &file, "--simulator", "--root", &root, "--disclosure", &key];
        let verified = run(&verify);
        assert_eq!(verified.status, 0, "{verified:?}");
        assert!(
            verified.stdout.contains(&format!("disclosed     {}", saved.stdout)),
            "{verified:?}"
        );
    }
}

/// Returns a file with PCR0 and PCR16 of the simulator, which ends at `not_after`.
fn measurements(folder: &TempDir, simulator: &Simulator, not_after: &str) -> String {
    let document = simulator.client().unwrap().attestation_document(&[7; 16]).unwrap();
    let document = UnverifiedDocument::parse(document).unwrap();
    let claims = document.dangerous_unverified_claims();
    let pcr = |index| const_hex::encode(claims.pcrs().value(index).unwrap());
    let json = json!({ "PCR0": pcr(0), "PCR16": pcr(16), "not_after": not_after });
    let file = path(folder, "measurements.json");
    fs::write(&file, json.to_string()).unwrap();
    file
}

#[test]
fn rejects_enclave_after_the_end_of_its_set() {
    for config in ["", ATTESTED_TLS] {
        let folder = tempfile::tempdir().unwrap();
        let configuration = path(&folder, "enclave.toml");
        fs::write(&configuration, config).unwrap();
        let simulator = Simulator::builder().config_file(&configuration).start().unwrap();
        let random = |not_after| {
            let measurements = measurements(&folder, &simulator, not_after);
            random(simulator.endpoint_url(), &["--any-of", &measurements])
        };
        assert_eq!(random("2999-01-31T00:00:00Z").status, 0);
        let rejected = random("2026-01-31T00:00:00Z");
        assert_eq!((rejected.status, &*rejected.stdout), (1, ""), "{rejected:?}");
        let reason = "measurements.json: the set of measurements ended at 2026-01-31T00:00:00Z";
        assert!(rejected.stderr.contains(reason), "{rejected:?}");
    }
}

#[test]
fn failed_command_writes_no_exchange() {
    let folder = tempfile::tempdir().unwrap();
    let file = path(&folder, "exchange.json");
    let simulator = Simulator::start().unwrap();
    let pcr = |index: u8| format!("{index}={}", "16".repeat(48));
    let expectations = ["--pcr", &pcr(0), "--pcr", &pcr(16), "--save-exchange", &file];
    let rejected = random(simulator.endpoint_url(), &expectations);
    assert_eq!((rejected.status, &*rejected.stdout), (1, ""), "{rejected:?}");
    assert!(!Path::new(&file).exists());
}

/// A relay between client and simulator that answers GenerateRandom by itself.
struct MaliciousRelay {
    process: Child,
    url: String,
}

impl MaliciousRelay {
    /// Starts the relay in the mode `forge` or `replay`. Returns `None` without the relay's program, which is beside
    /// the vectors.
    fn start(mode: &str, simulator: &Simulator) -> Option<Self> {
        let program = vectors("relays that answer by themselves")?.join("../cases/answers/mitm.py");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let upstream = simulator.address().port().to_string();
        let mut command = Command::new(python());
        command.arg(program).args([mode, &port.to_string(), &upstream]).stderr(Stdio::piped());
        let relay =
            Self { process: command.spawn().unwrap(), url: format!("http://127.0.0.1:{port}") };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < HANG_TIMEOUT, "the relay does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        Some(relay)
    }

    /// Waits until the relay has answered a request by itself.
    fn wait_for_answer(&mut self) {
        let log = BufReader::new(self.process.stderr.take().unwrap());
        let answered = log.lines().map_while(Result::ok).any(|line| line.contains(": answered "));
        assert!(answered, "the relay answered nothing");
    }
}

impl Drop for MaliciousRelay {
    fn drop(&mut self) {
        // The kill of an exited process fails, and the error is ignored.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[test]
fn answer_of_a_relay_is_rejected() {
    let simulator = Simulator::start().unwrap();
    let Some(mut relay) = MaliciousRelay::start("forge", &simulator) else { return };
    let forged = random(&relay.url, &[]);
    assert_eq!((forged.status, &*forged.stdout), (1, ""), "{forged:?}");
    assert!(forged.stderr.contains("step 1 (status): the response has no receipt"), "{forged:?}");
    let client = simulator.client_at(&relay.url).unwrap();
    let key = RecipientKey::generate().unwrap();
    let document = simulator.document(&Document::for_key(&key)).unwrap();
    let forged = client.generate_random_for(32, &document).unwrap_err();
    assert!(matches!(forged, ClientError::Unverified { .. }), "{forged}");
    relay.wait_for_answer();
}

#[test]
fn replayed_answer_is_rejected() {
    let simulator = Simulator::start().unwrap();
    let Some(relay) = MaliciousRelay::start("replay", &simulator) else { return };
    // The first answer is genuine.
    let first = random(&relay.url, &["--key", RECIPIENT]);
    assert_eq!(first.status, 0, "{first:?}");
    let second = random(&relay.url, &["--key", RECIPIENT]);
    assert_eq!((second.status, &*second.stdout), (1, ""), "{second:?}");
    let reason = "step 8 (binding): the receipt is of another request";
    assert!(second.stderr.contains(reason), "{second:?}");
}
