//! The admin listener.

use std::fs;
use std::io::{BufRead, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::TIMEOUT;
use super::process::{Simulator, get, is_ready, send};

/// Starts a simulator with this configuration. Also returns the address of its admin listener.
fn start(config: &str) -> (Simulator, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("enclave.toml");
    fs::write(&path, config).unwrap();
    let arguments = ["--admin-listen", "127.0.0.1:0", "--config", path.to_str().unwrap()];
    let mut simulator = Simulator::start("127.0.0.1:0", &arguments);
    let mut line = String::new();
    simulator.stdout.as_mut().unwrap().read_line(&mut line).unwrap();
    let admin = line.strip_prefix("enclave-simulator admin listening on ").unwrap().trim();
    (simulator, admin.to_owned())
}

fn connect(address: &str) -> TcpStream {
    TcpStream::connect(address).unwrap()
}

#[test]
fn serves_health_readiness_and_metrics_only() {
    let (_simulator, admin) = start("");
    assert_eq!(get(&mut connect(&admin), "/healthz"), "ok\n");
    assert!(is_ready(&mut connect(&admin)));
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
        let (head, body) = send(&mut connect(&admin), method, path);
        assert!(head.starts_with("HTTP/1.1 404 "), "{method} {path}: {head}");
        assert_eq!(body, "not found: only GET /healthz, /readyz and /metrics are served\n");
    }
}

#[test]
fn admin_listener_is_plain_http_with_client_tls() {
    let tls = "[tls]\nmode = \"attested\"\nnames = [\"localhost\"]\n";
    let (simulator, admin) = start(tls);
    assert!(is_ready(&mut connect(&admin)));
    // A client without TLS receives a TLS alert.
    let mut client = connect(&simulator.endpoint);
    client.write_all(b"GET /readyz HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    let mut response = Vec::new();
    // The kernel may reset the connection, because the server did not read all bytes.
    drop(client.read_to_end(&mut response));
    const ALERT: u8 = 21;
    assert!(response.is_empty() || response[0] == ALERT, "{response:?}");
    // The failure is counted shortly after the client receives the alert.
    let failed = "attested_random_tls_handshakes_total{outcome=\"failed\"} 1";
    let is_counted = || get(&mut connect(&admin), "/metrics").lines().any(|line| line == failed);
    let deadline = Instant::now() + TIMEOUT;
    while !is_counted() {
        assert!(Instant::now() < deadline, "not counted");
    }
}

#[test]
fn full_admin_listener_does_not_block_clients() {
    let (simulator, admin) = start("");
    // The number of connections is the maximum. Each connection is in the middle of a request.
    let mut admin_clients: Vec<_> = (0..64).map(|_| connect(&admin)).collect();
    for admin_client in &mut admin_clients {
        admin_client.write_all(b"GET /healthz HTTP/1.1\r\n").unwrap();
    }
    let mut waiting = connect(&admin);
    waiting.write_all(b"GET /readyz HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    waiting.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let error = waiting.read(&mut [0]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    assert!(is_ready(&mut connect(&simulator.endpoint)));
    // After a connection is closed, the next connection is served. A connection carries only one request.
    drop(admin_clients.remove(0));
    waiting.set_read_timeout(Some(TIMEOUT)).unwrap();
    let mut response = String::new();
    waiting.read_to_string(&mut response).unwrap();
    assert!(response.contains("\r\n\r\nready\n"), "{response}");
}
