//! Finds the workspace's binaries for the tests of this package.

#![expect(clippy::panic, reason = "a panic fails the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use attested_recipient::{Client, Expectations};

/// Returns the path of a binary of this workspace. The binary must be built before the tests run.
/// `make test` builds all binaries. For a single test, run `cargo build --workspace --features
/// enclave/simulator,enclave/pkcs11` first.
///
/// # Panics
/// Panics if the binary is missing, or older than one of its sources.
pub fn binary(name: &str) -> PathBuf {
    let hint = "run `make test`, or `cargo build --workspace --features \
                enclave/simulator,enclave/pkcs11`";
    // Cargo puts test executables into `deps`, and binaries into its parent folder.
    let tests = std::env::current_exe().ok();
    let folder = tests.as_deref().and_then(Path::parent).and_then(Path::parent);
    let path = folder.unwrap_or(Path::new("")).join(name);
    let built = modified(&path).unwrap_or_else(|| panic!("{} is missing: {hint}", path.display()));
    // `cargo build` writes a file with the list of a binary's sources beside the binary. `cargo
    // test` does not write this file, but it has just built the binary.
    let sources = fs::read_to_string(path.with_extension("d")).unwrap_or_default();
    let newer = sources
        .split_whitespace()
        .skip(1)
        .find(|source| modified(Path::new(source)).is_some_and(|modified| modified > built));
    assert!(newer.is_none(), "{} is older than {newer:?}: {hint}", path.display());
    path
}

/// Returns the command `attested-recipient` without arguments.
///
/// # Panics
/// Panics if [`binary`] does.
pub fn command() -> Command {
    Command::new(binary("attested-recipient"))
}

/// Returns a client that accepts any simulator at `url`.
///
/// # Panics
/// Panics if `url` is not a URL.
pub fn client(url: &str) -> Client {
    Client::new(url, Expectations::simulator()).unwrap_or_else(|error| panic!("{error}"))
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}
