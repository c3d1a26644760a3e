//! A workspace in a temporary folder, with one crate in the folder `app`.

use std::fs;
use std::path::Path;

use layers::{CrateReport, Entry};
use tempfile::TempDir;

/// A table of layers in which the module `upper` is above the module `lower`.
pub(crate) const UPPER_AND_LOWER: &[Entry] =
    &[Entry { folder: "app", layers: &[&["upper"], &["lower"]] }];

/// Writes a workspace whose crate `app` consists of `files`. Their names are relative to `src`.
pub(crate) fn workspace(files: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let write = |path: &Path, text: &str| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(&root.path().join("Cargo.toml"), "[workspace]\nmembers = [\"app\"]\n");
    write(&root.path().join("app/Cargo.toml"), "[package]\nname = \"the-app\"\n");
    for (file, text) in files {
        write(&root.path().join("app/src").join(file), text);
    }
    root
}

/// Checks the crate that consists of `files`.
pub(crate) fn check(files: &[(&str, &str)], table: &[Entry]) -> CrateReport {
    let root = workspace(files);
    let mut report = layers::check(root.path(), Some(table), None).unwrap();
    assert_eq!(report.absent_crates, [""; 0]);
    report.crates.remove(0)
}

/// Returns the findings in a crate with two modules. The module `lower` has the source `lower`. The
/// module `upper` defines the struct `X` and the constant `LIMIT`.
pub(crate) fn findings_in_lower(lower: &str) -> Vec<String> {
    let files = [
        ("lib.rs", "mod lower;\nmod upper;\npub use upper::X;\n"),
        ("upper.rs", "pub struct X;\npub const LIMIT: u8 = 1;\n"),
        ("lower.rs", lower),
    ];
    findings(&check(&files, UPPER_AND_LOWER))
}

/// Returns the findings as text.
pub(crate) fn findings(report: &CrateReport) -> Vec<String> {
    report.findings.iter().map(ToString::to_string).collect()
}

/// Returns the text of the finding for a use of `upper` in `lower`. `at` is the file and line of
/// the use.
pub(crate) fn upward(at: &str) -> String {
    format!(
        "{at}: `lower` (layer 2) uses `upper` (layer 1): a module uses its own layer and lower layers only"
    )
}
