use std::io;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard};

use attestation::time::UnixMillis;
use hyper::Request;
use hyper::header::{HOST, HeaderValue, USER_AGENT};
use kms_api::{ErrorType, KmsError, Operation};
use serde_json::Value;
use transport::nonblocking_writer::QUEUE_LENGTH;

use super::record::StreamPosition;
use super::unauthenticated_limits::OmittedCounts;
use super::*;
use crate::auth::Caller;
use crate::request::{ConnectionKey, RequestContext, RequestId, TlsDetails, TransportSecurity};

fn record(user_agent: &[u8]) -> RecordBuilder {
    record_with_security(TransportSecurity::NoTls, user_agent)
}

fn record_with_security(transport_security: TransportSecurity, user_agent: &[u8]) -> RecordBuilder {
    record_with_host(transport_security, user_agent, "kms.example")
}

fn record_with_host(
    transport_security: TransportSecurity,
    user_agent: &[u8],
    host: &str,
) -> RecordBuilder {
    let request =
        Request::builder().header(USER_AGENT, HeaderValue::from_bytes(user_agent).unwrap());
    let (head, ()) = request.header(HOST, host).body(()).unwrap().into_parts();
    let time = UnixMillis::from_rfc3339("2026-02-03T10:12:02.437Z").unwrap();
    let request = RequestContext {
        id: RequestId::random(),
        connection: ConnectionKey::new(0, None),
        transport_security,
        client_addr: None,
        head: &head,
        body: &[],
    };
    RecordBuilder::new(request, time, None)
}

const POSITION: StreamPosition<'_> = StreamPosition {
    stream: "0707070707070707",
    sequence: 258,
    event_time: "2026-02-03T10:12:02Z",
};

fn start(writer: impl Write + Send + 'static, limits: UnauthenticatedLimits) -> AuditTrail {
    Audit::to_writer(writer).start(DigestSources::without_document(), limits).unwrap()
}

/// A writer that collects its output.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Output {
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap()
    }

    fn records(&self) -> Vec<Value> {
        let text = String::from_utf8(self.lock().clone()).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line.get("auditDigest").is_none()).collect()
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn writes_every_record_before_the_trail_ends() {
    let output = Output::default();
    let audit = start(output.clone(), UnauthenticatedLimits::default());
    assert_eq!(audit.submit_success(record(b"first")), 1);
    audit.submit(failed(record(b"second")));
    audit.submit(record(b"third"));
    drop(audit);
    let records = output.records();
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

/// A writer that blocks until the sender sends or is dropped.
struct StuckWriter(mpsc::Receiver<()>, Output);

impl Write for StuckWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // After the sender is dropped, no write blocks.
        self.0.recv().ok();
        self.1.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Limits with a rate that the test does not reach. Only the limit of the queue has an effect.
const ANY_RATE: UnauthenticatedLimits =
    UnauthenticatedLimits { per_second: 1_000_000, queue_percent: 25 };

fn authenticated(mut record: RecordBuilder) -> RecordBuilder {
    record.set_caller(&Caller::authenticated());
    record
}

fn failed(mut record: RecordBuilder) -> RecordBuilder {
    record.set_error(&KmsError::new(ErrorType::Validation, "why"));
    record
}

/// Returns the sum of `unauthenticatedRecordsOmitted` over `records`.
fn omitted_total(records: &[Value]) -> u64 {
    let field = |record: &Value| {
        record["additionalEventData"]["unauthenticatedRecordsOmitted"].as_u64().unwrap_or(0)
    };
    records.iter().map(field).sum()
}

#[test]
fn omits_unauthenticated_records_above_queue_percent() {
    let (release, blocked) = mpsc::channel();
    let output = Output::default();
    let audit = start(StuckWriter(blocked, output.clone()), ANY_RATE);
    // This number of records is far above the capacity of the queue and of the current batch of the thread.
    let sent = 10 * QUEUE_LENGTH;
    for _ in 0..sent {
        audit.submit(record(b"unauthenticated"));
    }
    let omitted = audit.omitted();
    assert_eq!(omitted, OmittedCounts { rate: 0, queue: omitted.queue });
    let written = sent - usize::try_from(omitted.queue).unwrap();
    // The thread may have removed a batch from the queue.
    assert!((256..300).contains(&written), "{written}");
    for _ in 0..QUEUE_LENGTH {
        audit.submit_success(authenticated(record(b"authenticated")));
    }
    assert_eq!(audit.dropped(), 0);
    // The queue still exceeds the limit, so the service omits the next record. Records that are written after
    // `release` is dropped report this omission.
    audit.submit(record(b"unauthenticated"));
    drop(release);
    drop(audit);
    let records = output.records();
    let authenticated =
        records.iter().filter(|record| record["userAgent"] == "authenticated").count();
    assert_eq!((authenticated, records.len() - authenticated), (QUEUE_LENGTH, written));
    assert_eq!(omitted_total(&records), omitted.queue + 1);
}

#[test]
fn dropped_records_take_a_number_and_omitted_ones_take_none() {
    let (release, blocked) = mpsc::channel();
    let output = Output::default();
    let limits = UnauthenticatedLimits { queue_percent: 0, ..ANY_RATE };
    let audit = start(StuckWriter(blocked, output.clone()), limits);
    let mut last = 0;
    while audit.dropped() == 0 {
        let sequence = audit.submit_success(record(b"agent"));
        assert_eq!(sequence, last + 1);
        last = sequence;
        audit.submit(record(b"unauthenticated"));
    }
    assert_eq!(audit.omitted(), OmittedCounts { rate: 0, queue: last });
    drop(release);
    drop(audit);
    let records = output.records();
    let numbers: Vec<_> = records.iter().map(|record| record["sequence"].as_u64()).collect();
    let expected: Vec<_> = (1..last).map(Some).collect();
    assert_eq!(numbers, expected);
    assert!(records.iter().all(|record| record["stream"] == records[0]["stream"]));
}

#[test]
fn disabled_trail_numbers_records() {
    let audit = Audit::disabled();
    let audit =
        audit.start(DigestSources::without_document(), UnauthenticatedLimits::default()).unwrap();
    assert_eq!(audit.submit_success(record(b"agent")), 1);
    audit.submit(record(b"agent"));
    assert_eq!(audit.submit_success(record(b"agent")), 3);
}

#[test]
fn next_record_contains_the_number_of_omitted_records() {
    let output = Output::default();
    let limits = UnauthenticatedLimits { per_second: 1, queue_percent: 25 };
    let audit = start(output.clone(), limits);
    for _ in 0..100 {
        audit.submit(record(b"unauthenticated"));
    }
    let OmittedCounts { rate, queue: 0 } = audit.omitted() else { panic!() };
    // The burst is two records. If a second passes, there are more records.
    assert!((90..=98).contains(&rate), "{rate}");
    for _ in 0..3 {
        audit.submit_success(authenticated(record(b"authenticated")));
    }
    drop(audit);
    let records = output.records();
    assert_eq!(records.len(), 103 - usize::try_from(rate).unwrap());
    assert_eq!(omitted_total(&records), rate);
    let silent = records.last().unwrap();
    assert!(silent.get("additionalEventData").is_none(), "{silent}");
}

#[test]
fn limits_apply_without_signature_and_document() {
    let failed_with_caller = |caller: Option<&Caller>| {
        let mut record = record(b"agent");
        caller.inspect(|caller| record.set_caller(caller));
        failed(record)
    };
    assert!(failed_with_caller(None).is_unauthenticated());
    assert!(!failed_with_caller(Some(&Caller::authenticated())).is_unauthenticated());
    // The caller is known, but has no principal, as with `[auth] mode = "none"`.
    let anonymous = Caller::unauthenticated();
    assert!(failed_with_caller(Some(&anonymous)).is_unauthenticated());
    let mut successful = failed_with_caller(Some(&anonymous));
    successful.set_success();
    assert!(!successful.is_unauthenticated());
    let mut attested = failed_with_caller(Some(&anonymous));
    let (family, pcrs) = (attestation::PcrFamily::NitroEnclave, Vec::new());
    attested.set_recipient(Recipient { module_id: "i".to_owned(), family, pcrs });
    assert!(!attested.is_unauthenticated());
}

#[test]
fn clips_headers_of_unauthenticated_callers_at_128_bytes() {
    let output = Output::default();
    let audit = start(output.clone(), UnauthenticatedLimits::default());
    let agent = "\u{9b}".repeat(2000);
    let details = TlsDetails { version: "TLSv1.3", cipher_suite: "TLS_AES_128_GCM_SHA256" };
    let record = || {
        record_with_host(
            TransportSecurity::AttestedTls(details),
            agent.as_bytes(),
            &"h".repeat(2000),
        )
    };
    audit.submit(failed(record()));
    audit.submit(failed(authenticated(record())));
    drop(audit);
    for (record, length) in output.records().iter().zip([128, 1024]) {
        assert_eq!(record["userAgent"], "\u{9b}".repeat(length / 2));
        assert_eq!(record["tlsDetails"]["clientProvidedHostHeader"], "h".repeat(length));
    }
}

#[test]
fn record_is_bounded_and_escaped() {
    let output = Output::default();
    let audit = start(output.clone(), UnauthenticatedLimits::default());
    // U+009B, which starts a control sequence on terminals.
    let agent = "\u{9b}".repeat(2000);
    let message = "\u{1b}[2J\r\n".repeat(2000);
    let mut record = authenticated(record(agent.as_bytes()));
    record.set_error(&KmsError::new(ErrorType::Validation, message));
    audit.submit(record);
    drop(audit);
    let written = output.lock().clone();
    assert!(written.len() < 20_000, "{}", written.len());
    for line in written.split_inclusive(|byte| *byte == b'\n') {
        let (end, line) = line.split_last().unwrap();
        assert!(*end == b'\n' && line.iter().all(|byte| (b' '..=b'~').contains(byte)));
    }
    let record = &output.records()[0];
    assert_eq!(record["userAgent"], "\u{9b}".repeat(512));
    assert_eq!(record["errorMessage"].as_str().unwrap().len(), 1024);
}

#[test]
fn records_tls_details_of_connections_over_tls() {
    let details = TlsDetails { version: "TLSv1.3", cipher_suite: "TLS_AES_128_GCM_SHA256" };
    let recorded = |transport_security| {
        let mut line = Vec::new();
        record::append_line(
            &record_with_security(transport_security, b"agent"),
            0,
            POSITION,
            &mut line,
        )
        .unwrap();
        serde_json::from_slice::<Value>(&line).unwrap()
    };
    let expected = serde_json::json!({
        "tlsVersion": "TLSv1.3",
        "cipherSuite": "TLS_AES_128_GCM_SHA256",
        "clientProvidedHostHeader": "kms.example",
    });
    for transport_security in
        [TransportSecurity::AttestedTls(details), TransportSecurity::ProvidedTls(details)]
    {
        assert_eq!(recorded(transport_security)["tlsDetails"], expected);
    }
    assert!(recorded(TransportSecurity::NoTls).get("tlsDetails").is_none());
}

#[test]
fn members_are_in_the_order_of_cloudtrail() {
    let mut record = record(b"agent");
    record.set_operation(Some(Operation::GenerateRandom));
    record.set_error(&KmsError::new(ErrorType::Validation, "why"));
    let mut line = Vec::new();
    record::append_line(&record, 7, POSITION, &mut line).unwrap();
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
        r#""eventCategory":"Management","stream":"0707070707070707","sequence":258}"#,
        "\n"
    );
    assert_eq!(after, expected);
}
