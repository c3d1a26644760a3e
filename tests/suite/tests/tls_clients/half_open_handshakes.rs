//! Test of clients that start a TLS handshake and do not continue it.

use std::io::Write;
use std::net::TcpStream;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::TlsService;
use crate::clients::{Sdk, ServiceUrl};
use crate::generate_random;

/// Number of unfinished handshakes. It is more than twice the limit of concurrent handshakes, so
/// that a normal client must wait behind some of them.
const HALF_OPEN: u64 = 1200;

/// Number of descriptors per connection: one of the client, two of the relay and one of the
/// enclave.
const DESCRIPTORS: u64 = 4 * HALF_OPEN + 200;

#[test]
fn serves_clients_beside_1200_half_open_handshakes() {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    assert!(
        hard >= DESCRIPTORS,
        "this test needs {DESCRIPTORS} file descriptors: raise ulimit -Hn"
    );
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(DESCRIPTORS), hard).unwrap();
    let service = TlsService::start();
    let begin = |number: u64| {
        let mut client = TcpStream::connect(service.authority()).unwrap();
        // Each client sends nothing, or only the first bytes of a record with a ClientHello.
        let hello = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[7; 40]].concat();
        let sent = [0, 5, 11, hello.len()][usize::try_from(number % 4).unwrap()];
        client.write_all(&hello[..sent]).unwrap();
        client
    };
    let flood: Vec<_> = (0..HALF_OPEN).map(begin).collect();
    let ca = service.ca();
    let calls = [generate_random(serde_json::json!({ "NumberOfBytes": 32 }))];
    let outcome =
        Sdk::Boto3.call(ServiceUrl { url: service.url(), ca: Some(&ca) }, &calls).remove(0);
    // The normal client must succeed at the first attempt.
    assert_eq!(outcome.only_blob("Plaintext").len(), 32);
    // The enclave must evict stalled handshakes before their deadline.
    let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let metrics = service.connect(&[], request);
    let evicted = "attested_random_tls_handshakes_total{outcome=\"evicted\"} ";
    assert!(metrics.output_contains(evicted), "{metrics:?}");
    assert!(!metrics.has_line(&format!("{evicted}0")), "{metrics:?}");
    drop(flood);
}
