//! A trail without a thread, for tests of the verification of trails.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use attestation::time::UnixMillis;
use hyper::Request;
use hyper::header::USER_AGENT;
use kms_api::Operation;
use transport::nonblocking_writer::LineFormat;

use super::RecordBuilder;
use super::digest_sources::{DigestSchedule, DigestSources};
use super::trail_format::TrailFormat;
use crate::request::{ConnectionKey, RequestContext, RequestId, TransportSecurity};

/// A trail whose lines have the same format as those of the service. The test decides when a digest is written.
#[derive(Debug)]
pub struct TestTrail {
    format: TrailFormat,
    last: u64,
}

impl TestTrail {
    /// Creates an empty trail. The first digest contains the document.
    pub fn new(sources: DigestSources) -> Self {
        let schedule =
            DigestSchedule { digests: Duration::ZERO, documents: Duration::from_secs(60 * 60) };
        Self { format: TrailFormat::new(sources, schedule, Arc::default()), last: 0 }
    }

    /// Returns the line of the next record, of a successful request at `time`, and its request ID.
    pub fn record(&mut self, time: UnixMillis) -> (Vec<u8>, String) {
        let mut line = Vec::new();
        let record = successful_record(time);
        let request_id = record.request_id().to_string();
        self.last += 1;
        // Writing to a vector does not fail.
        drop(self.format.append(self.last, record, &mut line));
        self.format.written(self.last, line.strip_suffix(b"\n").unwrap_or(&line));
        (line, request_id)
    }

    /// Drops the next record, as a full queue does. Its number is a gap.
    pub fn drop_record(&mut self) {
        self.last += 1;
        self.format.lost(self.last..=self.last);
    }

    /// Returns the line of a digest of the records since the digest before.
    pub fn digest(&mut self) -> Vec<u8> {
        self.next_digest(false)
    }

    /// Returns the line of the last digest.
    pub fn end(mut self) -> Vec<u8> {
        self.next_digest(true)
    }

    fn next_digest(&mut self, is_end: bool) -> Vec<u8> {
        let mut line = Vec::new();
        self.format.append_own(is_end, &mut line);
        self.format.own_line_done(true);
        line
    }
}

fn successful_record(time: UnixMillis) -> RecordBuilder {
    let (mut head, ()) = Request::new(()).into_parts();
    head.headers.insert(USER_AGENT, hyper::header::HeaderValue::from_static("test"));
    let request = RequestContext {
        id: RequestId::random(),
        connection: ConnectionKey::new(0, None),
        transport_security: TransportSecurity::NoTls,
        client_addr: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        head: &head,
        body: &[],
    };
    let mut record = RecordBuilder::new(request, time, None);
    record.set_operation(Some(Operation::GenerateRandom));
    record.set_success();
    record
}
