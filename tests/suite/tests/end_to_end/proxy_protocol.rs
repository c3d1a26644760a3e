//! Tests of the PROXY protocol header that the relay sends to the enclave.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use attested_recipient::Simulator;
use serde_json::Value;

use super::service::Service;

/// A writer that collects an audit trail.
#[derive(Clone, Default)]
struct AuditBuffer(Arc<Mutex<Vec<u8>>>);

impl Write for AuditBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn audit_has_client_address_and_connection_id() {
    let trail = AuditBuffer::default();
    let simulator = Simulator::builder().proxy_protocol().audit(trail.clone()).start().unwrap();
    let service = Service::with_arguments(simulator, &["--proxy-protocol"]);
    let request = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: \
        application/x-amz-json-1.1\r\nX-Amz-Target: TrentService.GenerateRandom\r\n\
        Content-Length: 19\r\n\r\n{\"NumberOfBytes\":1}";
    // The first connection has two requests.
    for requests in [2, 1] {
        let responses = service.exchange(request.repeat(requests).as_bytes());
        assert_eq!(responses.matches("HTTP/1.1 200 OK").count(), requests, "{responses}");
    }
    drop(service);
    let text = String::from_utf8(trail.0.lock().unwrap().clone()).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    // The trail also contains a signed digest.
    let records: Vec<_> = lines.filter(|line| line.get("auditDigest").is_none()).collect();
    assert_eq!(records.len(), 3, "{text}");
    assert!(records.iter().all(|record| record["sourceIPAddress"] == "127.0.0.1"), "{text}");
    let ids: Vec<_> = records.iter().map(|record| record["requestID"].as_str().unwrap()).collect();
    let connections: Vec<_> = ids.iter().map(|id| id.get(..13).unwrap()).collect();
    assert_eq!(connections[0], connections[1]);
    assert_ne!(connections[0], connections[2]);
    assert_ne!(ids[0], ids[1]);
}
