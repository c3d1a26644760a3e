//! Rows F: a panic in a request handler. The client receives 500, and other requests are
//! unaffected.

use transport::limits::{LARGE_BODIES_LENGTH, MAX_BODY_LENGTH};

use crate::harness::audit_capture::AuditBuffer;
use crate::harness::fault_injection::{FaultyService, Readiness};
use crate::harness::log_capture;
use crate::harness::requests::{GENERATE_RANDOM, PLAINTEXT_RESPONSE, SEALED_RESPONSE};
use crate::harness::row::{Row, row};
use crate::harness::service::post;
use crate::harness::summary::Outcome::Rejected;
use crate::rows::nsm_faults::internal;

pub(crate) fn rows() -> Vec<Row> {
    let row = row("F26", "panic in a handler: 500, state intact, permits released");
    vec![row.custom("while it logs a rejection", Rejected, panics)]
}

/// A number of requests that exceeds the limit of concurrent large bodies. If a panic leaked a
/// permit, later requests would fail.
const PANICS: usize = LARGE_BODIES_LENGTH / MAX_BODY_LENGTH + 4;

fn panics() {
    let records = AuditBuffer::default();
    let service = FaultyService::with_audit(records.clone());
    let filling = "x".repeat(MAX_BODY_LENGTH - 100);
    let rejected = post(GENERATE_RANDOM, format!(r#"{{"a":"{filling}"}}"#).as_bytes());
    for number in 0..PANICS {
        log_capture::panic_once();
        service
            .send_request(rejected.clone())
            .assert_is(&internal().and_close(), &number.to_string());
    }
    // The service accepts the same request without a panic.
    let missing = service.send_request(rejected);
    assert!(missing.body().contains("NumberOfBytes is required."), "{}", missing.body());
    service.assert_response(&PLAINTEXT_RESPONSE, &SEALED_RESPONSE, "afterwards");
    assert_eq!(service.readiness(), Readiness::Ready);
    let counted = |outcome: &str| {
        let labels = format!("{{operation=\"GenerateRandom\",outcome=\"{outcome}\"}}");
        service.metric(&format!("requests_total{labels}"))
    };
    let counts = ["KMSInternalException", "ValidationException", "success"].map(counted);
    assert_eq!(counts, [u64::try_from(PANICS).unwrap(), 1, 2]);
    let log = String::from_utf8(log_capture::take()).unwrap();
    assert_eq!(log.matches("request handler panicked").count(), PANICS, "{log}");

    drop(service);
    let trail = String::from_utf8(records.take()).unwrap();
    let failed = |line: &&str| line.contains(r#""errorCode":"KMSInternalException""#);
    assert_eq!(trail.lines().filter(failed).count(), PANICS, "{trail}");
    let records = trail.lines().filter(|line| !line.starts_with(r#"{"auditDigest":"#));
    assert_eq!(records.count(), PANICS + 3, "{trail}");
}
