//! The audit trail of an enclave, from which the target reads the records of its requests.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use enclave::audit::Audit;
use serde_json::Value;

use crate::connection::Enclave;
use crate::connection::framing;

/// The audit records, in the order of the requests. A separate thread of the enclave writes the
/// records.
pub(super) struct AuditTrail(Receiver<String>);

/// A request without credentials. Its record comes after the records of all earlier requests.
const MARKER_REQUEST: &[u8] = b"POST / HTTP/1.1\r\nHost: h\r\n\r\n";

/// Time limit for a record. Only an enclave that hangs reaches it.
const RECORD_TIMEOUT: Duration = Duration::from_secs(10);

impl AuditTrail {
    pub(super) fn start() -> (Audit, Self) {
        let (lines, trail) = channel();
        (Audit::to_writer(LineSender(lines)), Self(trail))
    }

    /// Returns the records of all requests since the last call.
    pub(super) fn take_records(&self, enclave: &Enclave) -> Vec<String> {
        let received = enclave.exchange(&[MARKER_REQUEST]);
        let [response] = &framing::responses(&received, |_| false)[..] else {
            panic!("one response")
        };
        let marker = response.request_id.expect("an id");
        let next = || self.0.recv_timeout(RECORD_TIMEOUT).expect("the marker request has a record");
        let lines = std::iter::repeat_with(next).take_while(|line| !line.contains(marker));
        lines.filter(|line| !is_digest(line)).collect()
    }
}

/// Returns whether a line of the trail is a digest. The enclave writes digests between records.
fn is_digest(line: &str) -> bool {
    line.starts_with(r#"{"auditDigest":"#)
}

/// Parses a record, which is one line of printable ASCII.
pub(super) fn parse(line: &str) -> Value {
    let text = line.strip_suffix('\n').expect("the line ends with a newline");
    assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{text:?}");
    serde_json::from_str(text).expect("JSON")
}

/// A writer that sends each line to a channel.
struct LineSender(Sender<String>);

impl Write for LineSender {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A write contains complete lines.
        for line in String::from_utf8_lossy(bytes).split_inclusive('\n') {
            self.0.send(line.to_owned()).map_err(|_| io::ErrorKind::BrokenPipe)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
