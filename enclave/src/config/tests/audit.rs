//! The table `[audit]`.

use super::*;
use crate::audit::UnauthenticatedLimits;

fn limits(lines: &str) -> Result<UnauthenticatedLimits, String> {
    let settings = settings(&format!("[audit]\n{lines}\n"), Profile::Development);
    settings.map(|settings| settings.unauthenticated_limits).map_err(|error| error.to_string())
}

#[test]
fn reads_limits_on_records_of_unauthenticated_callers() {
    assert_eq!(limits("").unwrap(), UnauthenticatedLimits { per_second: 100, queue_percent: 25 });
    for (per_second, queue_percent) in [(1, 1), (1_000_000, 50)] {
        let lines = format!(
            "unauthenticated_per_second = {per_second}\n\
             unauthenticated_queue_percent = {queue_percent}"
        );
        assert_eq!(limits(&lines).unwrap(), UnauthenticatedLimits { per_second, queue_percent });
    }
}

#[test]
fn rejects_limits_that_leave_no_record_or_no_room_for_others() {
    for (key, most) in
        [("unauthenticated_per_second", 1_000_000), ("unauthenticated_queue_percent", 50)]
    {
        for number in [-1, 0, most + 1] {
            let error = limits(&format!("{key} = {number}")).unwrap_err();
            let expected = format!("expected a whole number from 1 to {most}");
            assert!(error.contains("line 2 ") && error.ends_with(&expected), "{key}: {error}");
        }
    }
}
