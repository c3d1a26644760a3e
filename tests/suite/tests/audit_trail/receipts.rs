//! Tests of `--receipt`: the record of a stored exchange is in the trail, under a digest.

use ::enclave::clock::{Clock, SystemClock};
use attested_recipient::audit::ReceiptOutcome;

use crate::enclave::Fleet;

#[test]
fn proves_that_the_record_of_an_exchange_is_in_the_trail() {
    let fleet = Fleet::new();
    let (mut enclave, other) = (fleet.start_enclave(), fleet.start_enclave());
    let mut lines = enclave.minute(2);
    let (line, covered) = enclave.trail.record(SystemClock.now());
    lines.extend([line, enclave.trail.digest()]);
    let (line, uncovered) = enclave.trail.record(SystemClock.now());
    lines.push(line);
    let stream = enclave.stream();
    let outcome = |exchange| {
        let report = fleet.verify_with(&lines, &[exchange], None);
        let [outcome] = <[_; 1]>::try_from(report.receipts.clone()).unwrap();
        assert_eq!(report.is_verified(), outcome.is_proved());
        outcome
    };
    let proved = outcome(enclave.exchange(3, &covered));
    assert!(matches!(proved, ReceiptOutcome::Proved { sequence: 3, at, .. } if at.line == 4));
    assert_eq!(
        outcome(enclave.exchange(4, &uncovered)),
        ReceiptOutcome::NotProved { stream, sequence: 4 }
    );
    let other_request = outcome(enclave.exchange(2, &covered));
    assert!(matches!(other_request, ReceiptOutcome::OtherRequest { sequence: 2, .. }));
    assert_eq!(
        outcome(enclave.exchange(9, &covered)),
        ReceiptOutcome::Missing { stream, sequence: 9 }
    );
    assert_eq!(outcome(other.exchange(3, &covered)), ReceiptOutcome::NoStream(other.stream()));
    let foreign = Fleet::new().start_enclave().exchange(3, &covered);
    assert!(matches!(outcome(foreign), ReceiptOutcome::Rejected(_)));
}
