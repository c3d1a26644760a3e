//! The audit trail of an enclave, read along with its answers.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use enclave::audit::Audit;
use serde_json::Value;

use crate::connection::Enclave;
use crate::connection::framing;

/// Its records come in the order of their requests, from a thread of their own.
pub(super) struct AuditTrail(Receiver<String>);

/// What anybody may send, and what marks the end of the records before.
const MARKER_REQUEST: &[u8] = b"POST / HTTP/1.1\r\nHost: h\r\n\r\n";

/// Far longer than the thread takes to write a line.
const RECORD_TIMEOUT: Duration = Duration::from_secs(10);

impl AuditTrail {
    pub(super) fn start() -> (Audit, Self) {
        let (lines, trail) = channel();
        (Audit::to_writer(LineSender(lines)).expect("a thread"), Self(trail))
    }

    /// The records of all requests that `enclave` has answered since it was last asked.
    pub(super) fn take_records(&self, enclave: &Enclave) -> Vec<String> {
        let received = enclave.exchange(&[MARKER_REQUEST]);
        let [response] = &framing::responses(&received, |_| false)[..] else {
            panic!("one response")
        };
        let marker = response.request_id.expect("an id");
        let next = || self.0.recv_timeout(RECORD_TIMEOUT).expect("the marker request has a record");
        std::iter::repeat_with(next).take_while(|line| !line.contains(marker)).collect()
    }
}

/// A record, which is one line of printable ASCII.
pub(super) fn parse(line: &str) -> Value {
    let text = line.strip_suffix('\n').expect("the line ends with a newline");
    assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{text:?}");
    serde_json::from_str(text).expect("JSON")
}

/// Sends on what is written, a line each time.
struct LineSender(Sender<String>);

impl Write for LineSender {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Whole lines, as many as were waiting.
        for line in String::from_utf8_lossy(bytes).split_inclusive('\n') {
            self.0.send(line.to_owned()).map_err(|_| io::ErrorKind::BrokenPipe)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
