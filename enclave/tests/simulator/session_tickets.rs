//! The lifetime of TLS session tickets.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::process::Simulator;

const HOUR: u64 = 60 * 60;

/// Connects with OpenSSL in this TLS `version`, and returns its output.
fn connect(simulator: &Simulator, version: &str, session: [&str; 2]) -> String {
    let mut command = Command::new("timeout");
    command.args([
        "60",
        "openssl",
        "s_client",
        "-connect",
        &simulator.endpoint,
        version,
        "-ign_eof",
    ]);
    let piped = || Stdio::piped();
    command.args(session).stdin(piped()).stdout(piped()).stderr(Stdio::null());
    let mut client = command.spawn().unwrap();
    let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    client.stdin.take().unwrap().write_all(request).unwrap();
    let output = client.wait_with_output().unwrap().stdout;
    let output = String::from_utf8_lossy(&output).into_owned();
    assert!(output.contains("HTTP/1.1 200 OK"), "{output}");
    output
}

/// Checks that a ticket is accepted as long as its key exists. A key is replaced after six hours, and deleted
/// after six more hours.
#[test]
fn tickets_expire_with_their_key() {
    let folder = tempfile::tempdir().unwrap();
    let [library, clock_offset, config, session] =
        ["clock_offset.so", "clock_offset", "enclave.toml", "session"]
            .map(|name| folder.path().join(name));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/simulator/clock_offset.c");
    let mut compile = Command::new("cc");
    compile.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source);
    assert!(compile.status().unwrap().success());
    fs::write(&config, "[tls]\nmode = \"attested\"\nnames = [\"localhost\"]\n").unwrap();
    let set_clock_offset =
        |hours: u64| fs::write(&clock_offset, (hours * HOUR).to_string()).unwrap();
    for version in ["-tls1_2", "-tls1_3"] {
        set_clock_offset(0);
        let arguments = ["--config", config.to_str().unwrap()];
        let mut command = Simulator::command("127.0.0.1:0", &arguments);
        command.env("LD_PRELOAD", &library).env("CLOCK_OFFSET_FILE", &clock_offset);
        let simulator = Simulator::spawn(command);
        let session = session.to_str().unwrap();
        let resumes =
            || connect(&simulator, version, ["-sess_in", session]).contains("Reused, TLSv1");
        assert!(connect(&simulator, version, ["-sess_out", session]).contains("New, TLSv1"));
        assert!(resumes(), "{version}");
        set_clock_offset(7);
        assert!(resumes(), "{version}");
        set_clock_offset(14);
        assert!(!resumes(), "{version}");
    }
}
