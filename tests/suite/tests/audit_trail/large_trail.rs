//! The command on a trail of 100,000 records of two enclaves in one file.

use std::path::Path;
use std::process::Output;

use crate::enclave::Fleet;

/// The number of records of each enclave between two digests.
const RECORDS_PER_DIGEST: usize = 5000;

fn run(fleet: &Fleet, trail: &Path) -> (i32, String) {
    let root = fleet.root();
    let mut command = suite::command();
    command.args(["audit", "verify", "--simulator", "--root"]).arg(root).arg(trail);
    let Output { status, stdout, stderr } = command.output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(stderr.contains("NOTHING IS PROVED"), "{stderr}");
    (status.code().unwrap(), String::from_utf8(stdout).unwrap())
}

#[test]
fn verifies_100_000_records_of_two_enclaves() {
    let fleet = Fleet::new();
    let mut enclaves = [fleet.start_enclave(), fleet.start_enclave()];
    let mut lines = Vec::new();
    for _ in 0..10 {
        let [first, second] = enclaves.each_mut().map(|enclave| enclave.minute(RECORDS_PER_DIGEST));
        for (lines_of, cid) in [(first, 16), (second, 17)] {
            lines.extend(lines_of.into_iter().map(|line| {
                let members = line.strip_suffix(b"}\n").unwrap();
                [members, format!(",\"cid\":{cid}}}\n").as_bytes()].concat()
            }));
        }
    }
    let (status, output) = run(&fleet, &fleet.file("trail", &lines));
    assert_eq!(status, 0, "{output}");
    assert_eq!(output.matches("records: 50000, of which 50000 are proved").count(), 2, "{output}");
    assert!(output.ends_with("\nverified\n"), "{output}");
    // Record 1002 of the first enclave is missing, and record 5001 of the second enclave is altered.
    let altered = 3 * RECORDS_PER_DIGEST + 3;
    lines[altered] =
        String::from_utf8(lines[altered].clone()).unwrap().replace("127.0.0.1", "127.0.0.2").into();
    lines.remove(1001);
    let (status, output) = run(&fleet, &fleet.file("trail", &lines));
    assert_eq!(status, 1, "{output}");
    for finding in [
        "FAILED: missing: record 1002\n",
        "FAILED: not verifiable: the present records 1 to 5000",
        "FAILED: altered: at least one of the records 5001 to 10000, between line 15003 and line 20002",
    ] {
        assert!(output.contains(finding), "{finding}: {output}");
    }
    assert!(output.ends_with("\nREJECTED\n"), "{output}");
}
