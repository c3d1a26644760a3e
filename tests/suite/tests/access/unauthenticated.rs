//! Test of the audit trail during a flood of unsigned requests. The growth of the audit trail must
//! be limited, and no record of an authenticated caller may be lost.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::credentials::{ACCESS_KEY_ID, ALLOW, sigv4};
use super::service::ConfiguredService;

/// Number of connections that send unsigned requests.
const CONNECTIONS: usize = 4;
/// Number of authenticated requests during the flood.
const AUTHENTICATED: u32 = 200;
/// Maximum growth of the audit trail, in bytes per second.
const MAX_BYTES_PER_SECOND: u128 = 1_000_000;

#[test]
fn unsigned_flood_displaces_no_record_and_writes_1_mb_s_at_most() {
    flood(Duration::from_secs(10));
}

#[expect(clippy::print_stdout, reason = "prints its measurements")]
fn flood(duration: Duration) {
    let service = ConfiguredService::start(&sigv4(), ALLOW);
    let is_over = AtomicBool::new(false);
    let start = Instant::now();
    let unsigned: usize = thread::scope(|scope| {
        let address = service.endpoint_url().strip_prefix("http://").unwrap();
        let connect = |_| scope.spawn(|| send_unsigned(address, &is_over));
        let flood: Vec<_> = (0..CONNECTIONS).map(connect).collect();
        let client = service.client();
        for number in 1..=AUTHENTICATED {
            assert_eq!(client.generate_random(32).unwrap().len(), 32);
            let due = duration * number / AUTHENTICATED;
            thread::sleep(due.saturating_sub(start.elapsed()));
        }
        is_over.store(true, Ordering::Relaxed);
        flood.into_iter().map(|connection| connection.join().unwrap()).sum()
    });
    let elapsed = start.elapsed();
    let rate = stable_audit_length(&service) * 1000 / elapsed.as_millis();
    // The next record contains the number of omitted records.
    drop(service.generate_plain().unwrap());
    let records = service.records();
    let (authenticated, others): (Vec<_>, Vec<_>) = records.iter().partition(|record| {
        let key = record.pointer("/userIdentity/accessKeyId");
        key.is_some_and(|key| key == ACCESS_KEY_ID)
    });
    let omitted = |record: &Value| {
        let omitted = record.pointer("/additionalEventData/unauthenticatedRecordsOmitted");
        omitted.and_then(Value::as_u64).unwrap_or(0)
    };
    let omitted = usize::try_from(records.iter().map(omitted).sum::<u64>()).unwrap();
    let (recorded, authentic) = (others.len(), authenticated.len());
    println!(
        "{unsigned} unsigned requests in {elapsed:.1?}: {recorded} recorded, {omitted} left out; the trail \
         grew by {rate} bytes a second; {authentic} authenticated records"
    );
    assert_eq!(authenticated.len(), usize::try_from(AUTHENTICATED).unwrap() + 1);
    assert_eq!(others.len() + omitted, unsigned);
    assert!(omitted > 0, "a flood");
    assert!(rate <= MAX_BYTES_PER_SECOND, "{rate} bytes a second");
    let agents = others.iter().map(|record| record.get("userAgent").and_then(Value::as_str));
    let longest = agents.map(|agent| agent.unwrap().len()).max();
    assert_eq!(longest, Some(128));
}

/// Waits until the audit trail no longer grows, because the service writes records in batches.
/// Returns the length of the audit trail, in bytes.
fn stable_audit_length(service: &ConfiguredService) -> u128 {
    let mut before = service.audit_length();
    loop {
        thread::sleep(Duration::from_millis(100));
        match service.audit_length() {
            length if length == before => return u128::try_from(length).unwrap(),
            length => before = length,
        }
    }
}

/// Sends unsigned requests one after the other, each with a User-Agent of 1 KiB. Returns the number
/// of requests.
fn send_unsigned(address: &str, is_over: &AtomicBool) -> usize {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut responses = BufReader::new(stream.try_clone().unwrap());
    let body = r#"{"NumberOfBytes":32}"#;
    let request = format!(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-amz-json-1.1\r\n\
         X-Amz-Target: TrentService.GenerateRandom\r\nUser-Agent: {}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        "a".repeat(1024),
        body.len()
    );
    let mut sent = 0;
    while !is_over.load(Ordering::Relaxed) {
        stream.write_all(request.as_bytes()).unwrap();
        sent += 1;
        skip_response(&mut responses);
    }
    sent
}

/// Reads one response. The status must be 400.
fn skip_response(responses: &mut BufReader<TcpStream>) {
    let (mut length, mut line) = (0, String::new());
    responses.read_line(&mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 400 "), "{line}");
    while line != "\r\n" {
        line.clear();
        responses.read_line(&mut line).unwrap();
        let lower = line.to_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    responses.read_exact(&mut vec![0; length]).unwrap();
}
