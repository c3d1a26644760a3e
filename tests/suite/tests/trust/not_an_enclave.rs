//! Tests of servers that are not enclaves or do not respond.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use attested_recipient::Simulator;

use crate::enclave::{authority, now, pcr0, serve};
use crate::tls_terminator::TlsTerminator;
use crate::trust_command::{Outcome, trust};

/// Time limit that only a hang reaches, in seconds.
const LONG_TIMEOUT: &str = "60";

/// Runs `serve_connection` for each connection.
pub(crate) fn listener(serve_connection: impl Fn(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().for_each(|stream| serve_connection(stream.unwrap())));
    address
}

/// Runs `trust` against TLS in front of `plain`.
fn trust_behind_tls(plain: SocketAddr, timeout: &str) -> Outcome {
    let certified = authority(&["127.0.0.1"]).issue(now()).unwrap().certified;
    let terminator = TlsTerminator::start(certified, plain);
    trust(&[&terminator.url(), "--pcr", &pcr0(), "--timeout", timeout])
}

fn trust_directly(address: SocketAddr, timeout: &str) -> Outcome {
    trust(&[&format!("https://{address}"), "--pcr", &pcr0(), "--timeout", timeout])
}

#[test]
fn rejects_server_without_tls() {
    let simulator = Simulator::start().unwrap();
    trust_directly(simulator.address(), LONG_TIMEOUT)
        .assert_fails(1, "the server does not use TLS");
}

#[test]
fn reports_unreachable_address() {
    // The port has no listener, because its listener is dropped.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let outcome = trust_directly(address, LONG_TIMEOUT);
    outcome.assert_fails(1, &format!("https://{address}: cannot connect: "));
}

#[test]
fn reports_connection_closed_before_or_during_tls() {
    trust_directly(listener(drop), LONG_TIMEOUT).assert_fails(1, "the TLS handshake failed: ");
    trust_behind_tls(listener(drop), LONG_TIMEOUT).assert_fails(1, "no HTTP response: ");
}

#[test]
fn times_out_on_silent_server() {
    let silent = || {
        listener(|mut stream| {
            // The read returns when the client closes the connection.
            while stream.read(&mut [0; 1024]).is_ok_and(|length| length > 0) {}
        })
    };
    for trust in [trust_directly, trust_behind_tls] {
        let start = Instant::now();
        trust(silent(), "1").assert_fails(1, "timed out after 1 s");
        assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    }
}

#[test]
fn rejects_other_https_service() {
    let outcome = trust_behind_tls(serve(|_| None), LONG_TIMEOUT);
    // The command escapes control characters in the text.
    outcome.assert_fails(1, r"returned HTTP 404: there is nothing\n\u{1b}[2J");
    let outcome = trust_behind_tls(serve(|_| Some(b"welcome".to_vec())), LONG_TIMEOUT);
    outcome.assert_fails(10, "the response is not an attestation document: ");
    let outcome = trust_behind_tls(serve(|_| Some(vec![0; 16 * 1024 + 1])), LONG_TIMEOUT);
    outcome.assert_fails(1, "longer than 16384 bytes");
}
