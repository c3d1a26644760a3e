use std::io;
use std::sync::mpsc;
use std::sync::{Mutex, MutexGuard};

use hyper::Request;
use hyper::header::{HOST, HeaderValue, USER_AGENT};
use serde_json::Value;
use shared::kms::{ErrorType, KmsError};
use shared::time::UnixMillis;

use super::*;
use crate::auth::Caller;
use crate::http::{Channel, Received, RequestId, TlsDetails};

fn record(user_agent: &[u8]) -> Record {
    record_over(Channel::Plain, user_agent)
}

fn record_over(channel: Channel, user_agent: &[u8]) -> Record {
    let request =
        Request::builder().header(USER_AGENT, HeaderValue::from_bytes(user_agent).unwrap());
    let (head, ()) = request.header(HOST, "kms.example").body(()).unwrap().into_parts();
    let time = UnixMillis::from_rfc3339("2026-02-03T10:12:02.437Z").unwrap();
    let request =
        Received { id: RequestId::random(), channel, source: None, head: &head, body: &[] };
    Record::new(request, time, None)
}

/// Collects what is written.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap()
    }

    fn records(&self) -> Vec<Value> {
        let text = String::from_utf8(self.lock().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn every_entry_is_written_before_the_trail_ends_also_one_that_came_to_nothing() {
    let lines = Lines::default();
    let audit = Audit::to(lines.clone()).unwrap();
    audit.open(record(b"first")).grant();
    audit.open(record(b"second")).refuse(&KmsError::new(ErrorType::Validation, "why"));
    drop(audit.open(record(b"third")));
    drop(audit);
    let records = lines.records();
    let errors: Vec<_> = records
        .iter()
        .map(|record| (&record["userAgent"], &record["errorCode"], &record["errorMessage"]))
        .map(|(agent, code, message)| [agent, code, message].map(Value::as_str))
        .collect();
    assert_eq!(
        errors,
        [
            [Some("first"), None, None],
            [Some("second"), Some("ValidationException"), Some("why")],
            [Some("third"), Some("ClientDisconnected"), None],
        ]
    );
}

/// Takes nothing until it is let.
struct Stuck(mpsc::Receiver<()>, Lines);

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // An error means that all are let through.
        self.0.recv().ok();
        self.1.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn strangers_push_nobody_who_was_let_in_out_of_a_trail_that_nobody_reads() {
    let (let_through, gate) = mpsc::channel();
    let lines = Lines::default();
    let audit = Audit::to(Stuck(gate, lines.clone())).unwrap();
    // Far more than the queue holds, and what the thread has taken.
    let strangers = 10 * QUEUE_LENGTH;
    for _ in 0..strangers {
        drop(audit.open(record(b"stranger")));
    }
    let dropped = audit.dropped();
    let let_in = 300;
    for _ in 0..let_in {
        let mut entry = audit.open(record(b"let in"));
        entry.set_caller(&Caller::anyone());
        entry.grant();
    }
    assert_eq!(audit.dropped(), dropped, "of those, none");
    drop(let_through);
    drop(audit);
    let records = lines.records();
    let granted = records.iter().filter(|record| record["userAgent"] == "let in").count();
    assert_eq!(granted, let_in);
    assert_eq!(records.len() - granted + usize::try_from(dropped).unwrap(), strangers);
}

#[test]
fn a_record_is_bounded_and_escaped() {
    let lines = Lines::default();
    let audit = Audit::to(lines.clone()).unwrap();
    // U+009B, which terminals take for the beginning of a control sequence.
    let agent = "\u{9b}".repeat(2000);
    let message = "\u{1b}[2J\r\n".repeat(2000);
    audit.open(record(agent.as_bytes())).refuse(&KmsError::new(ErrorType::Validation, message));
    drop(audit);
    let written = lines.lock().clone();
    assert!(written.len() < 20_000, "{}", written.len());
    let (end, line) = written.split_last().unwrap();
    assert!(*end == b'\n' && line.iter().all(|byte| (b' '..=b'~').contains(byte)));
    let record = &lines.records()[0];
    assert_eq!(record["userAgent"], "\u{9b}".repeat(512));
    assert_eq!(record["errorMessage"].as_str().unwrap().len(), 1024);
}

#[test]
fn tls_that_ended_here_is_recorded_as_cloudtrail_does_and_no_other() {
    let details = TlsDetails { version: "TLSv1.3", cipher_suite: "TLS_AES_128_GCM_SHA256" };
    let recorded = |channel| {
        let mut line = Vec::new();
        event::append(&record_over(channel, b"agent"), &mut line).unwrap();
        serde_json::from_slice::<Value>(&line).unwrap()
    };
    let expected = serde_json::json!({
        "tlsVersion": "TLSv1.3",
        "cipherSuite": "TLS_AES_128_GCM_SHA256",
        "clientProvidedHostHeader": "kms.example",
    });
    for channel in [Channel::AttestedTls(details), Channel::ProvidedTls(details)] {
        assert_eq!(recorded(channel)["tlsDetails"], expected);
    }
    assert!(recorded(Channel::Plain).get("tlsDetails").is_none());
}
