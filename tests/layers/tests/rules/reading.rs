//! The files and items that the checker reads.

use crate::fixture::{UPPER_AND_LOWER, check, findings, findings_in_lower, upward, workspace};

#[test]
fn ignores_imports_in_tests() {
    let found = findings_in_lower(
        "#[cfg(test)]\nuse crate::upper::X;\n#[cfg(all(test, unix))]\nfn f(_: crate::upper::X) {}\n\
         #[cfg(test)]\nmod tests {\n    use crate::upper::X;\n}\n#[cfg(test)]\nmod absent;\n\
         fn g() {\n    #[cfg(test)]\n    let _ = crate::upper::X;\n}\n",
    );
    assert_eq!(found, [""; 0]);
}

#[test]
fn reads_items_with_other_cfgs() {
    let found = findings_in_lower(
        "#[cfg(feature = \"x\")]\nuse crate::upper::X;\n#[cfg(not(test))]\nuse crate::upper::LIMIT;\n\
         #[cfg(any(test, unix))]\nfn f(_: crate::upper::X) {}\n",
    );
    assert_eq!(found, ["src/lower.rs:2", "src/lower.rs:4", "src/lower.rs:6"].map(upward));
}

#[test]
fn reads_files_named_by_path_attribute() {
    let files = [
        ("lib.rs", "mod lower;\nmod upper { pub struct X; }\n"),
        ("lower/mod.rs", "#[path = \"other/file.rs\"]\nmod child;\n"),
        ("lower/other/file.rs", "mod beside;\n"),
        ("lower/other/beside.rs", "use crate::upper::X;\n"),
    ];
    let found = findings(&check(&files, UPPER_AND_LOWER));
    assert_eq!(found, [upward("src/lower/other/beside.rs:1")]);
}

#[test]
fn reads_files_of_inline_modules() {
    let files = [
        ("lib.rs", "mod lower;\nmod upper { pub struct X; }\n"),
        ("lower.rs", "mod inline {\n    mod child;\n}\n"),
        ("lower/inline/child.rs", "use crate::upper::X;\n"),
    ];
    let found = findings(&check(&files, UPPER_AND_LOWER));
    assert_eq!(found, [upward("src/lower/inline/child.rs:1")]);
}

#[test]
fn reads_both_files_of_module_with_alternative_cfgs() {
    let root = "#[cfg(unix)]\nmod lower;\n#[cfg(not(unix))]\n#[path = \"other.rs\"]\nmod lower;\n\
                mod upper { pub struct X; }\n";
    let files = [
        ("lib.rs", root),
        ("lower.rs", "use crate::upper::X;\n"),
        ("other.rs", "use crate::upper::X;\n"),
    ];
    let found = findings(&check(&files, UPPER_AND_LOWER));
    assert_eq!(found, ["src/lower.rs:1", "src/other.rs:1"].map(upward));
}

#[test]
fn reports_missing_module_file() {
    let root = workspace(&[("lib.rs", "mod absent;\n")]);
    let error = layers::check(root.path(), None, None).unwrap_err().to_string();
    assert!(error.starts_with("cannot find the file of `mod absent` beside "), "{error}");
}

#[test]
fn reports_line_of_syntax_error() {
    let root = workspace(&[("lib.rs", "\nmod;\n")]);
    let error = layers::check(root.path(), None, None).unwrap_err().to_string();
    assert!(error.contains("app/src/lib.rs:2: "), "{error}");
}

#[test]
fn reports_unknown_crate() {
    let root = workspace(&[("lib.rs", "")]);
    let error = layers::check(root.path(), None, Some("nap")).unwrap_err().to_string();
    assert!(error.starts_with("the workspace has no crate \"nap\""), "{error}");
}
