//! Tests of the command `attested-recipient` that need no network.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic fails the test")]

mod config_command;
mod eif_command;
mod policies_doc;
mod policy_command;

use std::process::Command;

#[test]
fn version_contains_commit() {
    let command = env!("CARGO_BIN_EXE_attested-recipient");
    let output = Command::new(command).arg("--version").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let stdout = String::from_utf8(output.stdout).unwrap();
    let start = format!("attested-recipient {} (commit ", env!("CARGO_PKG_VERSION"));
    assert!(stdout.starts_with(&start) && stdout.ends_with(")\n"), "{stdout}");
}
