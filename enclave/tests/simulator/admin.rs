//! The listener of those who watch.

use std::fs;
use std::io::{BufRead, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use super::PATIENCE;
use super::process::{Simulator, ask, get};

/// A simulator with this configuration, and where those who watch it ask.
fn start(config: &str) -> (Simulator, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("enclave.toml");
    fs::write(&path, config).unwrap();
    let more = ["--admin-listen", "127.0.0.1:0", "--config", path.to_str().unwrap()];
    let mut simulator = Simulator::start("127.0.0.1:0", &more);
    let mut line = String::new();
    simulator.stdout.as_mut().unwrap().read_line(&mut line).unwrap();
    let admin = line.strip_prefix("enclave-simulator admin listening on ").unwrap().trim();
    (simulator, admin.to_owned())
}

fn connect(address: &str) -> TcpStream {
    TcpStream::connect(address).unwrap()
}

#[test]
fn health_readiness_and_metrics_are_told_and_nothing_else() {
    let (_simulator, admin) = start("");
    assert_eq!(get(&mut connect(&admin), "/healthz"), "ok\n");
    assert_eq!(get(&mut connect(&admin), "/readyz"), "ready\n");
    let metrics = get(&mut connect(&admin), "/metrics");
    assert!(metrics.lines().any(|line| line == "attested_random_ready 1"), "{metrics}");
    let nonce = "/attestation?nonce=abababababababababababababababab";
    for (method, path) in [
        ("POST", "/"),
        ("GET", "/"),
        ("POST", "/healthz"),
        ("GET", nonce),
        ("GET", "/simulator/root.pem"),
        ("POST", "/simulator/attest"),
    ] {
        let (head, body) = ask(&mut connect(&admin), method, path);
        assert!(head.starts_with("HTTP/1.1 404 "), "{method} {path}: {head}");
        assert_eq!(body, "nothing else is here than GET /healthz, /readyz and /metrics\n");
    }
}

#[test]
fn it_is_plain_where_clients_must_speak_tls() {
    let tls = "[tls]\nmode = \"attested\"\nnames = [\"localhost\"]\n";
    let (simulator, admin) = start(tls);
    assert_eq!(get(&mut connect(&admin), "/readyz"), "ready\n");
    // What a client gets that does not is TLS's own refusal, an alert.
    let mut client = connect(&simulator.endpoint);
    client.write_all(b"GET /readyz HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    // It may be cut off, with what it sent unread.
    drop(client.read_to_end(&mut answer));
    const ALERT: u8 = 21;
    assert!(answer.is_empty() || answer[0] == ALERT, "{answer:?}");
    // It is counted a moment after the client has seen it.
    let failed = "attested_random_tls_handshakes_total{outcome=\"failed\"} 1";
    let is_counted = || get(&mut connect(&admin), "/metrics").lines().any(|line| line == failed);
    let deadline = Instant::now() + PATIENCE;
    while !is_counted() {
        assert!(Instant::now() < deadline, "not counted");
    }
}

#[test]
fn who_holds_all_its_connections_keeps_no_client_out_and_does_not_hold_up_the_end() {
    let (simulator, admin) = start("");
    // More than are served at a time; each but the last has shown that it is served.
    let mut watchers: Vec<_> = (0..65).map(|_| connect(&admin)).collect();
    for watcher in watchers.iter_mut().take(64) {
        watcher.write_all(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        watcher.read_exact(&mut [0; 12]).unwrap();
    }
    assert_eq!(get(&mut connect(&simulator.endpoint), "/readyz"), "ready\n");
    // One who leaves makes room.
    drop(watchers.remove(0));
    assert_eq!(get(watchers.last_mut().unwrap(), "/readyz"), "ready\n");
    assert_eq!(simulator.terminate(), Some(0));
}
