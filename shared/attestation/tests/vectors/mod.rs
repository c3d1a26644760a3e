//! The location of the test vectors: documents signed by AWS and ciphertexts written by AWS KMS. They are
//! not part of this repository.

#[path = "../skipped/mod.rs"]
mod skipped;

use std::path::{Path, PathBuf};

use skipped::report_skipped;

/// Returns the folder in the variable `VECTORS`, or `shared/vectors` beside the repository.
///
/// If that folder does not exist, reports `test` as skipped and returns `None`. With `REQUIRE_VECTORS=1`,
/// panics if the folder does not exist.
pub(crate) fn vectors(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("VECTORS").map_or_else(beside_repository, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    let required = std::env::var_os("REQUIRE_VECTORS").is_some_and(|value| value == "1");
    assert!(!required, "REQUIRE_VECTORS=1, but there is no folder {}", folder.display());
    report_skipped(test, "VECTORS is not a folder with documents that AWS signed");
    None
}

/// Returns `shared/vectors` beside the repository. The packages that include this file have different depths.
fn beside_repository() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let repository = package.ancestors().find(|folder| folder.join("Cargo.lock").is_file());
    repository.unwrap_or(package).join("../shared/vectors")
}
