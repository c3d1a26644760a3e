//! Test of the request id, which must be the same in the relay's log, the enclave's log and the
//! audit trail. The test runs the binaries. The enclave sends its log and its audit trail to the
//! relay.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a panic fails the test"
)]

#[path = "../binaries/mod.rs"]
#[allow(dead_code, reason = "other tests use the other items")]
mod binaries;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use self::binaries::{HANG_TIMEOUT, Process, binary, wait_until};

/// Length of the connection id at the start of a request id, in characters.
const CONNECTION_ID_LENGTH: usize = 13;
const REQUEST: &str = "POST / HTTP/1.1\r\nHost: localhost\r\n\
    Content-Type: application/x-amz-json-1.1\r\nX-Amz-Target: TrentService.GenerateRandom\r\n\
    Content-Length: 19\r\n\r\n{\"NumberOfBytes\":1}";

/// An enclave, and a relay that receives the enclave's log.
struct RelayAndEnclave {
    proxy: Process,
    _enclave: Process,
    folder: TempDir,
}

impl RelayAndEnclave {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| format!("unix:{}", folder.path().join(name).display());
        let mut proxy = Command::new(binary("parent-proxy"));
        proxy.args(["--listen", "127.0.0.1:0", "--proxy-protocol", "--log-format", "json"]);
        proxy.args(["--log-level", "debug", "--upstream", &at("enclave")]);
        // Health checks are disabled, because they would add connections to the log.
        proxy.args(["--health-interval", "0", "--log-listen", &at("channel"), "--log-file"]);
        proxy.arg(folder.path().join("lines"));
        let proxy = Process::start(proxy, 1);
        let mut enclave = Command::new(binary("enclave-simulator"));
        enclave.args(["--listen", &at("enclave"), "--proxy-protocol", "--log-level", "debug"]);
        enclave.args(["--log-endpoint", &at("channel")]);
        let enclave = Process::start(enclave, 1);
        Self { proxy, _enclave: enclave, folder }
    }

    /// Sends requests on one connection and returns their ids.
    fn send_requests(&self, requests: usize) -> Vec<String> {
        let mut client = TcpStream::connect(self.proxy.endpoint(0)).unwrap();
        client.set_read_timeout(Some(HANG_TIMEOUT)).unwrap();
        client.write_all(REQUEST.repeat(requests).as_bytes()).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let mut responses = String::new();
        client.read_to_string(&mut responses).unwrap();
        let ids = responses.lines().filter_map(|line| line.strip_prefix("x-amzn-requestid: "));
        let ids: Vec<_> = ids.map(str::to_owned).collect();
        assert_eq!(ids.len(), requests, "{responses}");
        ids
    }

    /// Returns the lines of the enclave's log and audit trail so far.
    fn lines(&self) -> Vec<Value> {
        lines_of(&self.folder.path().join("lines"))
    }
}

fn lines_of(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap_or_default();
    // The last line may be incomplete.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn request_id_links_relay_log_enclave_log_and_audit_record() {
    let deployment = RelayAndEnclave::start();
    let (one, two) = (deployment.send_requests(1), deployment.send_requests(2));
    let ids = [&one[0], &two[0], &two[1]];
    for id in ids {
        let with = |name: &str| {
            wait_until(&format!("a line has {name}={id}"), || {
                let mut lines = deployment.lines();
                lines.retain(|line| line[name] == **id);
                (!lines.is_empty()).then_some(lines)
            })
        };
        let (logged, recorded) = (with("request_id"), with("requestID"));
        assert!(logged.len() == 1 && recorded.len() == 1, "{logged:?} {recorded:?}");
        assert_eq!(logged[0]["operation"], "GenerateRandom", "{logged:?}");
        assert_eq!(recorded[0]["eventName"], "GenerateRandom", "{recorded:?}");
    }

    // The relay has logged both connections with their ids.
    let connections = [&one[0][..CONNECTION_ID_LENGTH], &two[0][..CONNECTION_ID_LENGTH]];
    assert_ne!(connections[0], connections[1]);
    assert_eq!(connections[1], &two[1][..CONNECTION_ID_LENGTH]);
    assert_ne!(two[0], two[1]);
    for connection in connections {
        let lines = deployment.proxy.wait_for_log(&format!(r#""connection":"{connection}""#));
        let line: Value = serde_json::from_str(lines.last().unwrap()).unwrap();
        assert_eq!(line["connection"], connection);
    }
}
