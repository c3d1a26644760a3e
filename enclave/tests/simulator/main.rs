//! Tests of the simulator as a process.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a failure here is a test's failure"
)]

mod admin_listener;
mod configuration;
mod log_forwarding;
mod pause;
mod process;
mod proxy_protocol;
mod session_tickets;
#[path = "../../../shared/attestation/tests/skipped/mod.rs"]
mod skipped;
mod tls_mode;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use process::{Simulator, get, is_ready};

/// Timeout of a test. No response takes this long.
const TIMEOUT: Duration = Duration::from_secs(30);

#[test]
fn simulators_share_a_root_through_the_state_file() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state.pem");
    let shared = ["--simulator-state", state.to_str().unwrap()];
    let start = |arguments: &[&str]| Simulator::start("127.0.0.1:0", arguments);
    let (first, second) = (start(&shared), start(&shared));
    let root = first.root();
    assert!(root.starts_with("-----BEGIN CERTIFICATE-----\n"));
    assert_eq!(second.root(), root);
    assert_ne!(start(&[]).root(), root);
    drop((first, second));
    assert_eq!(start(&shared).root(), root);
}

#[test]
fn listens_on_a_unix_socket_and_exits_on_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("enclave.sock");
    let listen = format!("unix:{}", socket.display());
    let simulator = Simulator::start(&listen, &[]);
    assert_eq!(simulator.endpoint, listen);
    assert!(is_ready(&mut UnixStream::connect(&socket).unwrap()));
    // A client with an idle connection does not delay the exit.
    let _idle = UnixStream::connect(&socket).unwrap();
    assert_eq!(simulator.terminate(), Some(0));
    assert!(!Path::new(&socket).exists());
}

#[test]
fn requests_cannot_inject_log_lines() {
    let mut simulator = Simulator::start_with_log("127.0.0.1:0", &[], Stdio::piped());
    let mut stderr = simulator.process.stderr.take().unwrap();
    let body = r#"{"NumberOfBytes":1,"Recipient":{"KeyEncryptionAlgorithm":"X\nFORGED line\u202e\u001b[2J"}}"#;
    simulator.generate_random(body);
    assert_eq!(simulator.terminate(), Some(0));
    let mut log = String::new();
    stderr.read_to_string(&mut log).unwrap();
    let line = log.lines().find(|line| line.contains("FORGED")).unwrap();
    assert!(line.contains("request rejected"), "{log}");
    assert!(!log.contains(['\u{1b}', '\u{202e}']), "{log}");
}

#[test]
fn responds_to_all_callers_without_configuration() {
    let mut simulator = Simulator::start_with_log("127.0.0.1:0", &[], Stdio::piped());
    let mut stderr = simulator.process.stderr.take().unwrap();
    let response = simulator.generate_random(r#"{"NumberOfBytes":1}"#);
    assert!(response.contains("\"Plaintext\""), "{response}");
    assert_eq!(simulator.terminate(), Some(0));
    let mut log = String::new();
    stderr.read_to_string(&mut log).unwrap();
    let matching_lines = |text: &str| log.lines().filter(|line| line.contains(text)).count();
    assert_eq!(
        matching_lines("[auth] mode is \"none\": unauthenticated callers are accepted"),
        1,
        "{log}"
    );
    assert_eq!(matching_lines("[recipient] require=false"), 1, "{log}");
    assert_eq!(matching_lines("allow_debug"), 0, "{log}");
}

#[test]
fn rejects_and_records_unauthenticated_callers() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("enclave.toml");
    let text = "[auth]\nmode = \"sigv4\"\nregion = \"eu-west-1\"\n[[credential]]\n\
                access_key_id = \"AKIDEXAMPLE\"\nsecret_access_key = \"canary-secret\"\n\
                principal = \"arn:aws:iam::123456789012:role/wallet\"\npolicies = []\n\
                [recipient]\nallow_debug = true\n";
    std::fs::write(&config, text).unwrap();
    let arguments = ["--config", config.to_str().unwrap()];
    let mut simulator = Simulator::start_with_log("127.0.0.1:0", &arguments, Stdio::piped());
    let mut stderr = simulator.process.stderr.take().unwrap();
    for _ in 0..3 {
        let response = simulator.generate_random(r#"{"NumberOfBytes":1}"#);
        let body = r#"{"__type":"MissingAuthenticationTokenException","message":"Missing Authentication Token"}"#;
        assert!(response.ends_with(body), "{response}");
    }
    assert_eq!(simulator.end(), Some(0));
    let (mut audit, mut log) = (String::new(), String::new());
    simulator.stdout.take().unwrap().read_to_string(&mut audit).unwrap();
    stderr.read_to_string(&mut log).unwrap();
    let code = r#""errorCode":"MissingAuthenticationTokenException""#;
    assert_eq!(audit.lines().filter(|line| line.contains(code)).count(), 3, "{audit}");
    for message in [
        "[auth] mode is \"sigv4\" region=\"eu-west-1\" credentials=1",
        "[recipient] allow_debug",
        "[[credential]] number 1: policies is empty",
    ] {
        assert!(log.contains(message), "{log}");
    }
    assert!(!audit.contains("canary") && !log.contains("canary"), "{audit}{log}");
}

#[test]
fn responds_after_the_audit_reader_has_closed() {
    let mut simulator = Simulator::start_with_log("127.0.0.1:0", &[], Stdio::piped());
    drop(simulator.stdout.take());
    let stderr = BufReader::new(simulator.process.stderr.take().unwrap());
    let (sender, lost) = mpsc::channel();
    thread::spawn(move || {
        for line in stderr.lines() {
            if line.unwrap().contains("audit records dropped") {
                sender.send(()).unwrap();
            }
        }
    });
    // The log reports a lost record at the next request.
    let deadline = Instant::now() + TIMEOUT;
    while lost.try_recv().is_err() {
        assert!(Instant::now() < deadline, "the loss was not logged");
        let response = simulator.generate_random(r#"{"NumberOfBytes":1}"#);
        assert!(response.contains("\"Plaintext\""), "{response}");
    }
    assert_eq!(simulator.terminate(), Some(0));
}

#[test]
fn responds_after_the_log_reader_has_closed() {
    let mut simulator = Simulator::start_with_log("127.0.0.1:0", &[], Stdio::piped());
    drop(simulator.process.stderr.take());
    // The error response is logged.
    let response = simulator.generate_random("{}");
    assert!(response.ends_with("NumberOfBytes is required.\"}"), "{response}");
    assert!(simulator.root().starts_with("-----BEGIN CERTIFICATE-----"));
    assert_eq!(simulator.terminate(), Some(0));
}

#[test]
fn unread_log_and_audit_trail_block_no_request() {
    let mut simulator = Simulator::start_with_log("127.0.0.1:0", &[], Stdio::piped());
    send_thousands_of_requests(&simulator);
    let mut stream = TcpStream::connect(&simulator.endpoint).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    assert_eq!(get(&mut stream, "/healthz"), "ok\n");
    // The process exits although neither the log nor the audit trail can be written completely.
    assert_eq!(simulator.end(), Some(0));
}

#[test]
fn logs_the_number_of_lost_audit_records() {
    let mut simulator = Simulator::start_with_log("127.0.0.1:0", &[], Stdio::piped());
    let mut stderr = simulator.process.stderr.take().unwrap();
    let log = thread::spawn(move || {
        let mut log = String::new();
        stderr.read_to_string(&mut log).map(|_| log)
    });
    send_thousands_of_requests(&simulator);
    assert_eq!(simulator.end(), Some(0));
    let log = log.join().unwrap().unwrap();
    let lost = |text: &str| log.lines().filter(|line| line.contains(text)).count();
    // The log reports the first loss, and then each time the number has doubled.
    assert!((2..20).contains(&lost("audit records dropped")), "{log}");
    assert_eq!(lost("audit records lost at shutdown"), 1, "{log}");
}

/// Sends 4,000 successful requests. The audit records are far larger than a pipe of 64 KiB and a queue
/// together. At level debug, so are the log lines. The requests succeed because there is a separate limit for
/// records of rejected requests.
fn send_thousands_of_requests(simulator: &Simulator) {
    let body = r#"{"NumberOfBytes":1}"#;
    let requests = format!(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-amz-json-1.1\r\n\
         X-Amz-Target: TrentService.GenerateRandom\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .repeat(100);
    for _ in 0..40 {
        let mut stream = TcpStream::connect(&simulator.endpoint).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        stream.write_all(requests.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut responses = String::new();
        stream.read_to_string(&mut responses).unwrap();
        assert_eq!(responses.matches(r#""Plaintext""#).count(), 100);
    }
}

#[test]
fn exits_on_an_invalid_state_file() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state.pem");
    std::fs::write(&state, "something else").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_enclave-simulator"))
        .args(["--listen", "127.0.0.1:0", "--simulator-state", state.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("chmod 600"), "{stderr}");
}

/// The faults of a simulated NSM, and the messages that the simulator logs.
const FAULTS: [(&str, &str); 10] = [
    ("short", "a call returned 255 random bytes instead of 256"),
    ("long", "a call returned 257 random bytes instead of 256"),
    ("empty", "a call returned 0 random bytes instead of 256"),
    ("repeat", "two calls returned the same bytes"),
    ("zeros", "the repetition count test failed"),
    ("ones", "the repetition count test failed"),
    ("counter", "the repetition count test failed"),
    ("stuck", "the repetition count test failed"),
    ("error", "the NSM returned error InternalError"),
    ("malformed", "the response is not valid CBOR of the NSM"),
];

fn configured(lines: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("simulator.toml");
    std::fs::write(&path, lines).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn does_not_start_with_a_faulty_nsm() {
    for (fault, reason) in FAULTS {
        let (_folder, path) = configured(&format!("[simulator.nsm]\nfault = \"{fault}\"\n"));
        let output = Command::new(env!("CARGO_BIN_EXE_enclave-simulator"))
            .args(["--listen", "127.0.0.1:0", "--config", &path])
            .output()
            .unwrap();
        assert_eq!((output.status.code(), output.stdout), (Some(1), Vec::new()), "{fault}");
        let log = String::from_utf8(output.stderr).unwrap();
        let last = log.lines().last().unwrap();
        assert!(last.contains("enclave-simulator stops: ") && last.contains(reason), "{log}");
    }
}

#[test]
fn returns_500_after_the_nsm_fails() {
    for (fault, reason) in FAULTS {
        let (_folder, path) = configured(&format!(
            "[entropy]\nprefetch = 0\n[simulator.nsm]\nfault = \"{fault}\"\nafter = 3\n"
        ));
        let simulator = Simulator::start("127.0.0.1:0", &["--config", &path]);
        for status in [200, 200, 200, 500, 500] {
            let response = simulator.generate_random(r#"{"NumberOfBytes":32}"#);
            assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{fault}: {response}");
        }
        let mut stream = TcpStream::connect(&simulator.endpoint).unwrap();
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        assert!(response.starts_with("HTTP/1.1 503 ") && response.contains(reason), "{response}");
        assert_eq!(simulator.terminate(), Some(0));
    }
}

#[test]
fn hanging_nsm_delays_a_caller_until_the_deadline() {
    let (_folder, path) = configured(
        "[entropy]\nprefetch = 0\ndeadline_ms = 400\nwatchdog_ms = 2000\n\
         [simulator.nsm]\nlatency_ms = 0.1\nfault = \"hang\"\nafter = 1\n",
    );
    let simulator = Simulator::start("127.0.0.1:0", &["--config", &path]);
    let send = || simulator.generate_random(r#"{"NumberOfBytes":32}"#);
    assert!(send().starts_with("HTTP/1.1 200 "));
    let response = send();
    assert!(response.contains(r#""__type":"DependencyTimeoutException""#), "{response}");
    // After the watchdog has detected the hanging call, no request waits.
    let has_failed = (0..600).any(|_| send().contains(r#""__type":"KMSInternalException""#));
    assert!(has_failed);
    assert!(send().contains(r#""__type":"KMSInternalException""#));
    // The hanging thread does not delay the exit.
    assert_eq!(simulator.terminate(), Some(0));
}

#[test]
fn version_contains_the_commit() {
    let simulator = env!("CARGO_BIN_EXE_enclave-simulator");
    let output = Command::new(simulator).arg("--version").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let stdout = String::from_utf8(output.stdout).unwrap();
    let start = format!("enclave-simulator {} (commit ", env!("CARGO_PKG_VERSION"));
    assert!(stdout.starts_with(&start) && stdout.ends_with(")\n"), "{stdout}");
}
