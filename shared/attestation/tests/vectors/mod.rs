//! Where the vectors are: documents signed by AWS and envelopes written by AWS KMS. They are not
//! part of this repository.

use std::io::Write;
use std::path::{Path, PathBuf};

/// Returns the folder of `VECTORS`, or `shared/vectors` beside the repository. Without it a test is
/// skipped with a note on stderr; with `REQUIRE_VECTORS=1` the test fails.
pub(crate) fn vectors(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("VECTORS").map_or_else(beside_repository, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    let required = std::env::var_os("REQUIRE_VECTORS").is_some_and(|value| value == "1");
    assert!(!required, "REQUIRE_VECTORS=1, but there is no folder {}", folder.display());
    // Past the test runner's capture: what is skipped must be seen.
    let note = format!("SKIPPED {test}: no vectors in {} (set VECTORS)\n", folder.display());
    std::io::stderr().write_all(note.as_bytes()).unwrap();
    None
}

/// Returns `shared/vectors` beside the repository, whose packages are in folders of different depths.
fn beside_repository() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let repository = package.ancestors().find(|folder| folder.join("Cargo.lock").is_file());
    repository.unwrap_or(package).join("../shared/vectors")
}
