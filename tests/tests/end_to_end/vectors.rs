//! Where the vectors are: documents signed by AWS and envelopes written by AWS KMS. They are not
//! part of this repository.

use std::io::Write;
use std::path::PathBuf;

/// The folder of `VECTORS`, or `shared/vectors` beside the repository. Without it a test is passed
/// over, which is said; with `REQUIRE_VECTORS=1` it fails.
pub(crate) fn vectors(test: &str) -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors");
    let folder = PathBuf::from(std::env::var_os("VECTORS").unwrap_or_else(|| beside.into()));
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
