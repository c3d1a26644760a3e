//! Reports of tests that are skipped because the machine lacks something.

use std::fs::OpenOptions;
use std::io::{self, Write};

/// Appends a line to the file in the variable `SKIPPED_TESTS`, which `make test` summarizes. Without the
/// variable, the line goes to stderr.
pub(crate) fn report_skipped(test: &str, reason: &str) {
    let line = format!("SKIPPED {test}: {reason}\n");
    match std::env::var_os("SKIPPED_TESTS") {
        Some(file) => {
            OpenOptions::new().append(true).open(file).unwrap().write_all(line.as_bytes()).unwrap();
        }
        // The test runner captures `eprintln!`, but not this output.
        None => io::stderr().write_all(line.as_bytes()).unwrap(),
    }
}
