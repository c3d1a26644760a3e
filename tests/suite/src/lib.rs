//! Where the tests of this package find the workspace's binaries.

#![expect(clippy::panic, reason = "a failure here is a test's failure")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// Returns the path of a binary of this workspace, which is built together with the tests: `make test`
/// does so, and for one test
/// `cargo build --workspace --features enclave/simulator,enclave/pkcs11`.
///
/// # Panics
/// If the binary is missing, or older than a source that it was built from.
pub fn binary(name: &str) -> PathBuf {
    let hint = "run `make test`, or `cargo build --workspace --features \
                enclave/simulator,enclave/pkcs11`";
    // Cargo puts test executables into `deps`, and binaries beside that folder.
    let tests = std::env::current_exe().ok();
    let folder = tests.as_deref().and_then(Path::parent).and_then(Path::parent);
    let path = folder.unwrap_or(Path::new("")).join(name);
    let built = modified(&path).unwrap_or_else(|| panic!("{} is missing: {hint}", path.display()));
    // `cargo build` lists a binary's sources beside it. `cargo test` does not: it has just built it.
    let sources = fs::read_to_string(path.with_extension("d")).unwrap_or_default();
    let newer = sources
        .split_whitespace()
        .skip(1)
        .find(|source| modified(Path::new(source)).is_some_and(|modified| modified > built));
    assert!(newer.is_none(), "{} is older than {newer:?}: {hint}", path.display());
    path
}

/// Returns a call of the command `attested-recipient` without arguments.
///
/// # Panics
/// As [`binary`] does.
pub fn command() -> Command {
    Command::new(binary("attested-recipient"))
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}
