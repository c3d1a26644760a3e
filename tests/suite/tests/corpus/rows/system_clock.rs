//! Rows F: a wrong system clock. The service uses the time of the NSM instead.

use crate::harness::fault_injection::{FaultyService, Readiness};
use crate::harness::requests::{PLAINTEXT_RESPONSE, SEALED_RESPONSE};
use crate::harness::row::{Row, row};
use crate::harness::service::NOW;
use crate::harness::summary::Outcome::Accepted;

pub(crate) fn rows() -> Vec<Row> {
    let row = row("F24", "clock jumps an hour, stalls, drifts");
    let wrong = [
        ("an hour ahead", NOW.plus_secs(3600)),
        ("an hour behind", NOW.minus_secs(3600)),
        ("at the Unix epoch", NOW.minus_secs(NOW.as_secs())),
        ("two seconds behind", NOW.minus_secs(2)),
    ];
    let row = wrong.into_iter().fold(row, |row, (case, system)| {
        row.custom(case, Accepted, move || {
            let service = FaultyService::start(Box::new(|_| None));
            service.clock.set(system);
            // The document has the NSM's time and is valid.
            service.assert_response(&PLAINTEXT_RESPONSE, &SEALED_RESPONSE, case);
            assert_eq!(service.readiness(), Readiness::Ready);
            let response = service.generate(false);
            assert_eq!(response.header("date"), Some("Fri, 15 Jan 2027 08:00:00 GMT"));
        })
    });
    vec![row]
}
