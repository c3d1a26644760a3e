//! The audit record and the log lines of one request.

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::harness::log_capture;

/// The expected audit record and the expected log line of one request.
#[derive(Clone, Debug)]
pub(crate) struct ExpectedLogs {
    /// The user agent in the audit record.
    pub(crate) user_agent: Option<String>,
    /// The error's name and message in the audit record.
    pub(crate) error: Option<(&'static str, Option<String>)>,
    /// The reason in the log line of the rejection, or `None` if the rejection is not logged.
    pub(crate) logged: Option<String>,
    /// The access key id in the log line of the rejection.
    pub(crate) access_key_id: Option<String>,
}

/// A writer that collects an audit trail.
#[derive(Clone, Default)]
pub(crate) struct AuditBuffer(Arc<Mutex<Vec<u8>>>);

impl Write for AuditBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AuditBuffer {
    pub(crate) fn take(&self) -> Vec<u8> {
        mem::take(&mut *self.0.lock().unwrap())
    }
}

impl ExpectedLogs {
    pub(crate) fn assert_is(&self, trail: &[u8], log: &[u8], context: &str) {
        let record = only_record(trail, context);
        let text = |name: &str| record.get(name).and_then(Value::as_str);
        assert_eq!(text("userAgent"), self.user_agent.as_deref(), "{context}: {record}");
        let (code, message) = match &self.error {
            Some((code, message)) => (Some(*code), message.as_deref()),
            None => (None, None),
        };
        assert_eq!((text("errorCode"), text("errorMessage")), (code, message), "{context}");

        log_capture::assert_printable(log, context);
        let log = std::str::from_utf8(log).unwrap();
        assert_eq!(log.lines().count(), usize::from(self.logged.is_some()), "{context}: {log}");
        if let Some(reason) = &self.logged {
            let id = text("requestID").expect(context);
            let key = self.access_key_id.as_deref();
            let key = key.map(|key| format!(" access_key_id={key:?}")).unwrap_or_default();
            let end = format!("  INFO request rejected request_id={id}{key} reason={reason:?}\n");
            assert!(log.ends_with(&end), "{context}: {log} does not end with {end}");
        }
    }
}

/// Parses the only audit record. Only digests follow the record. All lines must be printable ASCII.
fn only_record(trail: &[u8], context: &str) -> Value {
    let printed = trail.escape_ascii();
    let mut lines = Vec::new();
    for line in trail.split_inclusive(|byte| *byte == b'\n') {
        let (end, line) = line.split_last().expect(context);
        let is_printable = |byte: &u8| (b' '..=b'~').contains(byte);
        assert!(*end == b'\n' && line.iter().all(is_printable), "{context}: {printed}");
        lines.push(line);
    }
    let [record, digests @ ..] = &lines[..] else { panic!("{context}: {printed}") };
    let is_digest = |line: &&[u8]| line.starts_with(br#"{"auditDigest":""#);
    assert!(!digests.is_empty() && digests.iter().all(is_digest), "{context}: {printed}");
    serde_json::from_slice(record).expect(context)
}
