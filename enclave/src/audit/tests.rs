use std::io;
use std::sync::mpsc;
use std::sync::{Mutex, MutexGuard};

use attestation::time::UnixMillis;
use hyper::Request;
use hyper::header::{HOST, HeaderValue, USER_AGENT};
use kms_api::{ErrorType, KmsError, Operation};
use serde_json::Value;
use transport::lines::QUEUE_LENGTH;

use super::*;
use crate::auth::Caller;
use crate::request::{Channel, ConnectionKey, Received, RequestId, TlsDetails};

fn record(user_agent: &[u8]) -> Record {
    record_over(Channel::Plain, user_agent)
}

fn record_over(channel: Channel, user_agent: &[u8]) -> Record {
    record_of(channel, user_agent, "kms.example")
}

fn record_of(channel: Channel, user_agent: &[u8], host: &str) -> Record {
    let request =
        Request::builder().header(USER_AGENT, HeaderValue::from_bytes(user_agent).unwrap());
    let (head, ()) = request.header(HOST, host).body(()).unwrap().into_parts();
    let time = UnixMillis::from_rfc3339("2026-02-03T10:12:02.437Z").unwrap();
    let request = Received {
        id: RequestId::random(),
        connection: ConnectionKey::new(0, None),
        channel,
        source: None,
        head: &head,
        body: &[],
    };
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
fn every_record_is_written_before_the_trail_ends_also_one_that_came_to_nothing() {
    let lines = Lines::default();
    let audit = Audit::to(lines.clone()).unwrap();
    audit.submit(granted(record(b"first")));
    audit.submit(refused(record(b"second")));
    audit.submit(record(b"third"));
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

/// Limits that only the queue sets.
const ANY_RATE: UnauthenticatedLimits =
    UnauthenticatedLimits { per_second: 1_000_000, queue_percent: 25 };

fn signed(mut record: Record) -> Record {
    record.set_caller(&Caller::signed());
    record
}

fn granted(mut record: Record) -> Record {
    record.grant();
    record
}

fn refused(mut record: Record) -> Record {
    record.refuse(&KmsError::new(ErrorType::Validation, "why"));
    record
}

/// Returns the sum of what the records tell was left out.
fn told(records: &[Value]) -> u64 {
    let field = |record: &Value| {
        record["additionalEventData"]["unauthenticatedRecordsOmitted"].as_u64().unwrap_or(0)
    };
    records.iter().map(field).sum()
}

#[test]
fn unauthenticated_callers_take_no_place_of_authenticated_ones_in_a_full_queue() {
    let (let_through, gate) = mpsc::channel();
    let lines = Lines::default();
    let audit = Audit::to(Stuck(gate, lines.clone())).unwrap().limited(ANY_RATE);
    // Far more than the queue holds, and what the thread has taken.
    let sent = 10 * QUEUE_LENGTH;
    for _ in 0..sent {
        audit.submit(record(b"unauthenticated"));
    }
    let omitted = audit.omitted();
    assert_eq!(omitted, Omitted { rate: 0, queue: omitted.queue });
    let written = sent - usize::try_from(omitted.queue).unwrap();
    // A batch of the thread's may have been on its way.
    assert!((256..300).contains(&written), "{written}");
    for _ in 0..QUEUE_LENGTH {
        audit.submit(granted(signed(record(b"authenticated"))));
    }
    assert_eq!(audit.dropped(), 0);
    // Still full: what is left out now no record has told.
    audit.submit(record(b"unauthenticated"));
    drop(let_through);
    drop(audit);
    let records = lines.records();
    let granted = records.iter().filter(|record| record["userAgent"] == "authenticated").count();
    assert_eq!((granted, records.len() - granted), (QUEUE_LENGTH, written));
    assert_eq!(told(&records), omitted.queue + 1);
}

#[test]
fn the_next_record_tells_how_many_the_rate_left_out() {
    let lines = Lines::default();
    let limits = UnauthenticatedLimits { per_second: 1, queue_percent: 25 };
    let audit = Audit::to(lines.clone()).unwrap().limited(limits);
    for _ in 0..100 {
        audit.submit(record(b"unauthenticated"));
    }
    let Omitted { rate, queue: 0 } = audit.omitted() else { panic!() };
    // A burst of two, and more where a second passes.
    assert!((90..=98).contains(&rate), "{rate}");
    for _ in 0..3 {
        audit.submit(granted(signed(record(b"authenticated"))));
    }
    drop(audit);
    let records = lines.records();
    assert_eq!(records.len(), 103 - usize::try_from(rate).unwrap());
    assert_eq!(told(&records), rate);
    let silent = records.last().unwrap();
    assert!(silent.get("additionalEventData").is_none(), "{silent}");
}

#[test]
fn limits_hold_for_what_no_signature_and_no_document_proves() {
    let refused = |caller: Option<&Caller>| {
        let mut record = record(b"agent");
        caller.inspect(|caller| record.set_caller(caller));
        refused(record)
    };
    assert!(refused(None).is_unauthenticated());
    assert!(!refused(Some(&Caller::signed())).is_unauthenticated());
    // Where no signature is asked for.
    let anonymous = Caller::anyone();
    assert!(refused(Some(&anonymous)).is_unauthenticated());
    let mut granted = refused(Some(&anonymous));
    granted.grant();
    assert!(!granted.is_unauthenticated());
    let mut attested = refused(Some(&anonymous));
    let (family, pcrs) = (attestation::PcrFamily::NitroEnclave, Vec::new());
    attested.set_recipient(Recipient { module_id: "i".to_owned(), family, pcrs });
    assert!(!attested.is_unauthenticated());
}

#[test]
fn headers_of_unauthenticated_callers_are_cut_at_128_bytes() {
    let lines = Lines::default();
    let audit = Audit::to(lines.clone()).unwrap();
    let agent = "\u{9b}".repeat(2000);
    let details = TlsDetails { version: "TLSv1.3", cipher_suite: "TLS_AES_128_GCM_SHA256" };
    let record = || record_of(Channel::AttestedTls(details), agent.as_bytes(), &"h".repeat(2000));
    audit.submit(refused(record()));
    audit.submit(refused(signed(record())));
    drop(audit);
    for (record, length) in lines.records().iter().zip([128, 1024]) {
        assert_eq!(record["userAgent"], "\u{9b}".repeat(length / 2));
        assert_eq!(record["tlsDetails"]["clientProvidedHostHeader"], "h".repeat(length));
    }
}

#[test]
fn a_record_is_bounded_and_escaped() {
    let lines = Lines::default();
    let audit = Audit::to(lines.clone()).unwrap();
    // U+009B, which terminals take for the beginning of a control sequence.
    let agent = "\u{9b}".repeat(2000);
    let message = "\u{1b}[2J\r\n".repeat(2000);
    let mut record = signed(record(agent.as_bytes()));
    record.refuse(&KmsError::new(ErrorType::Validation, message));
    audit.submit(record);
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
        event::append(&record_over(channel, b"agent"), 0, &mut line).unwrap();
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

#[test]
fn members_are_in_the_order_of_cloudtrail_and_absent_ones_are_null_or_left_out() {
    let mut record = record(b"agent");
    record.set_operation(Some(Operation::GenerateRandom));
    record.refuse(&KmsError::new(ErrorType::Validation, "why"));
    let mut line = Vec::new();
    event::append(&record, 7, &mut line).unwrap();
    let line = String::from_utf8(line).unwrap();
    let (before, rest) = line.split_once(r#""eventID":""#).unwrap();
    let id = record.request_id();
    let expected = format!(
        concat!(
            r#"{{"eventVersion":"1.08","#,
            r#""userIdentity":{{"type":"AWSAccount","accountId":"ANONYMOUS_PRINCIPAL"}},"#,
            r#""eventTime":"2026-02-03T10:12:02Z","eventSource":"kms.amazonaws.com","#,
            r#""eventName":"GenerateRandom","awsRegion":null,"sourceIPAddress":null,"#,
            r#""userAgent":"agent","errorCode":"ValidationException","errorMessage":"why","#,
            r#""requestParameters":null,"responseElements":null,"#,
            r#""additionalEventData":{{"unauthenticatedRecordsOmitted":7}},"requestID":"{}","#,
        ),
        id
    );
    assert_eq!(before, expected);
    let (_, after) = rest.split_once('"').unwrap();
    let expected = concat!(
        r#","readOnly":true,"resources":[],"eventType":"AwsApiCall","managementEvent":true,"#,
        r#""eventCategory":"Management"}"#,
        "\n"
    );
    assert_eq!(after, expected);
}
