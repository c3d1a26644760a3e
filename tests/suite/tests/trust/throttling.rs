//! Tests of enclaves that throttle the requests for their document.

use std::io::Read;
use std::time::{Duration, Instant};

use attested_recipient::ClientError;

use crate::enclave::{Enclave, authority, now, pcr0};
use crate::not_an_enclave::listener;
use crate::tls_terminator::TlsTerminator;
use crate::trust_command::{Outcome, trust, trust_with_root};

fn run_trust(enclave: &Enclave, timeout: &str) -> (Outcome, Duration) {
    let start = Instant::now();
    let outcome = trust_with_root(&enclave.url(), enclave, &["--timeout", timeout]);
    (outcome, start.elapsed())
}

#[test]
fn retries_after_the_retry_after_delay() {
    // The command retries on the same connection, or on a new connection if the enclave closed the
    // first.
    for fields in ["Retry-After: 1\r\n", "Retry-After: 1\r\nConnection: close\r\n"] {
        let (outcome, elapsed) = run_trust(&Enclave::with_throttling(2, fields), "30");
        assert_eq!(outcome.status, 0, "{outcome:?}");
        assert!(elapsed >= Duration::from_secs(2), "{elapsed:?}");
    }
}

#[test]
fn retries_without_retry_after() {
    for fields in ["", "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\n"] {
        let (outcome, _) = run_trust(&Enclave::with_throttling(3, fields), "30");
        assert_eq!(outcome.status, 0, "{outcome:?}");
    }
}

#[test]
fn fails_at_the_timeout_with_the_reason() {
    for fields in ["", "Retry-After: 1\r\n", "Retry-After: 3600\r\n"] {
        let (outcome, elapsed) = run_trust(&Enclave::with_throttling(usize::MAX, fields), "2");
        outcome.assert_fails(
            1,
            "timed out after 2 s: the enclave is reachable but returned no attestation",
        );
        outcome.assert_fails(1, "the enclave is overloaded or hangs");
        assert!(elapsed < Duration::from_secs(8), "{elapsed:?}");
    }
    // The command does not wait for a delay that is longer than the time limit.
    let (outcome, _) =
        run_trust(&Enclave::with_throttling(usize::MAX, "Retry-After: 31\r\n"), "30");
    outcome.assert_fails(1, "(HTTP 429, too many requests: 1 times)");
}

#[test]
fn timeout_error_reports_that_tls_succeeded() {
    let silent = listener(|mut stream| {
        // The read returns when the client closes the connection.
        while stream.read(&mut [0; 1024]).is_ok_and(|length| length > 0) {}
    });
    let certified = authority(&["127.0.0.1"]).issue(now()).unwrap().certified;
    let terminator = TlsTerminator::start(certified, silent);
    let outcome = trust(&[&terminator.url(), "--pcr", &pcr0(), "--timeout", "4"]);
    outcome.assert_fails(
        1,
        "timed out after 4 s: the enclave is reachable but returned no attestation",
    );
    outcome.assert_fails(1, "(HTTP 429, too many requests: 0 times)");
}

#[test]
fn library_client_retries_when_throttled() {
    let enclave = Enclave::with_throttling(2, "Retry-After: 1\r\n");
    let pem = enclave.authority.certificate_pem();
    let client = suite::client(&enclave.url()).with_ca_certificates(pem.as_bytes()).unwrap();
    let start = Instant::now();
    let document = client.attestation_document(&[7; 16]).unwrap();
    assert!(document.windows(16).any(|window| window == [7; 16]));
    assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
}

#[test]
fn library_client_fails_at_its_timeout() {
    let enclave = Enclave::with_throttling(usize::MAX, "Retry-After: 3600\r\n");
    let client = suite::client(&format!("http://{}", enclave.plain_address));
    let error = client.attestation_document(&[7; 16]).unwrap_err();
    assert!(matches!(error, ClientError::Throttled { throttled: 1, .. }), "{error}");
    assert!(error.to_string().contains("throttled 1 times within 30 s (HTTP 429)"), "{error}");
}
