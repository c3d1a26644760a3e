//! Rule 1: an edge between top-level modules goes to the same layer or to a lower layer.

use layers::Entry;

use crate::fixture::{UPPER_AND_LOWER, check, findings, findings_in_lower, upward};

#[test]
fn accepts_downward_use() {
    let files = [
        ("lib.rs", "mod lower;\nmod upper;\n"),
        ("upper.rs", "use crate::lower::Y;\npub struct X(Y);\n"),
        ("lower.rs", "pub struct Y;\n"),
    ];
    let report = check(&files, UPPER_AND_LOWER);
    assert_eq!(findings(&report), [""; 0]);
    let line = "app: 2 modules in 2 layers, 1 edge, none upward, no cycle";
    assert_eq!(report.to_string(), line);
}

#[test]
fn rejects_upward_import() {
    let found = findings_in_lower("use std::fmt;\nuse crate::upper::X;\n");
    assert_eq!(found, [upward("src/lower.rs:2")]);
}

#[test]
fn rejects_upward_import_through_super() {
    let found = findings_in_lower("mod inner {\n    use super::super::upper::X;\n}\n");
    assert_eq!(found, [upward("src/lower.rs:2")]);
}

#[test]
fn rejects_upward_import_through_self_and_super() {
    let found = findings_in_lower("use self::super::upper::X;\nuse self::{super::upper::LIMIT};\n");
    assert_eq!(found, ["src/lower.rs:1", "src/lower.rs:2"].map(upward));
    let found = findings_in_lower("mod inner {\n    use self::super::super::upper::X;\n}\n");
    assert_eq!(found, [upward("src/lower.rs:2")]);
}

#[test]
fn rejects_upward_path_through_self_and_super() {
    let found = findings_in_lower(
        "fn f(_: self::super::upper::X) {\n    vec![self::super::upper::X];\n}\n\
         use self::super as root;\nfn g(_: root::upper::X) {}\n",
    );
    assert_eq!(found, ["src/lower.rs:1", "src/lower.rs:2", "src/lower.rs:5"].map(upward));
}

#[test]
fn accepts_repeated_self_in_path() {
    let found = findings_in_lower("use self::self::Y;\nfn f(_: self::self::self::Y) {}\n");
    assert_eq!(found, [""; 0]);
}

#[test]
fn rejects_upward_path_in_function_body() {
    let found = findings_in_lower("fn f() {\n    let _ = super::upper::X;\n}\n");
    assert_eq!(found, [upward("src/lower.rs:2")]);
}

#[test]
fn rejects_upward_paths_in_types_and_patterns() {
    let found = findings_in_lower(
        "fn f(x: Vec<crate::upper::X>) {\n    match 1 {\n        super::upper::LIMIT => {}\n        \
         _ => {}\n    }\n}\nimpl Drop for crate::upper::X {}\n",
    );
    let lines = ["src/lower.rs:1", "src/lower.rs:3", "src/lower.rs:7"];
    assert_eq!(found, lines.map(upward));
}

#[test]
fn rejects_upward_import_through_reexport_of_root() {
    assert_eq!(findings_in_lower("use crate::X;\n"), [upward("src/lower.rs:1")]);
}

#[test]
fn rejects_upward_import_through_glob_reexport_of_root() {
    let files = [
        ("lib.rs", "mod lower;\nmod upper;\npub use upper::*;\n"),
        ("upper.rs", "pub struct X;\n"),
        ("lower.rs", "use crate::X;\n"),
    ];
    assert_eq!(findings(&check(&files, UPPER_AND_LOWER)), [upward("src/lower.rs:1")]);
}

#[test]
fn rejects_upward_name_through_glob_import() {
    let found = findings_in_lower("use super::*;\nfn f(_: X) {}\n");
    assert_eq!(found, [upward("src/lower.rs:2")]);
}

#[test]
fn rejects_upward_path_in_macro_tokens() {
    let found = findings_in_lower("fn f() {\n    println!(\"{}\", crate::upper::LIMIT);\n}\n");
    assert_eq!(found, [upward("src/lower.rs:2")]);
    let found = findings_in_lower("macro_rules! m {\n    () => { $crate::upper::X };\n}\n");
    assert_eq!(found, [upward("src/lower.rs:2")]);
}

#[test]
fn rejects_upward_import_in_use_tree_in_macro_tokens() {
    for tree in [
        "crate::{upper::X}",
        "$crate::{self, upper::*}",
        "crate::{lower::Y, upper::{self, X}}",
        "self::{super::{upper as other}}",
        "{crate::{upper}}",
        "name::{crate::upper::X}",
    ] {
        let found = findings_in_lower(&format!("z! {{\n    use {tree};\n}}\n"));
        assert_eq!(found, [upward("src/lower.rs:2")], "{tree}");
    }
}

#[test]
fn accepts_other_use_trees_in_macro_tokens() {
    let found = findings_in_lower("z! {\n    use crate::{lower::{Y, upper::X}, $m::{upper}};\n}\n");
    assert_eq!(found, [""; 0]);
}

#[test]
fn rejects_upward_path_in_string_of_attribute() {
    let found =
        findings_in_lower("struct S {\n    #[serde(with = \"crate::upper::X\")]\n    x: u8,\n}\n");
    assert_eq!(found, [upward("src/lower.rs:2")]);
}

#[test]
fn rejects_upward_import_in_nested_tree() {
    let found = findings_in_lower("use crate::{\n    upper::{self, LIMIT},\n};\n");
    assert_eq!(found, [upward("src/lower.rs:2")]);
}

#[test]
fn rejects_upward_import_with_rename() {
    let found = findings_in_lower("use crate::upper as other;\nfn f(_: other::X) {}\n");
    assert_eq!(found, [upward("src/lower.rs:1"), upward("src/lower.rs:2")]);
}

#[test]
fn rejects_use_of_item_of_crate_root() {
    let files = [
        ("lib.rs", "mod lower;\nmod upper;\npub struct Root;\nmacro_rules! helper { () => {} }\n"),
        ("upper.rs", ""),
        ("lower.rs", "use crate::Root;\ncrate::helper!();\n"),
    ];
    let found = findings(&check(&files, UPPER_AND_LOWER));
    let expected = "src/lower.rs:1: `lower` uses `crate::Root` of the crate root, which is above \
                    all layers: define the item in a module";
    assert_eq!(found, [expected]);
}

#[test]
fn rejects_upward_use_of_library_by_module_of_main() {
    let files = [
        ("lib.rs", "pub mod upper;\npub struct Root;\n"),
        ("main.rs", "mod lower;\n"),
        ("upper.rs", "pub struct X;\n"),
        ("lower.rs", "use the_app::upper::X;\nuse the_app::Root;\n"),
    ];
    assert_eq!(findings(&check(&files, UPPER_AND_LOWER)), [upward("src/lower.rs:1")]);
}

#[test]
fn ignores_visibilities_and_doc_comments() {
    let found = findings_in_lower(
        "/// See [`crate::upper::X`].\npub(in crate::upper) struct Y;\npub(super) struct Z;\n",
    );
    assert_eq!(found, [""; 0]);
}

#[test]
fn rejects_module_missing_from_table() {
    let files = [("lib.rs", "mod extra;\nmod lower;\nmod upper;\n"), ("extra.rs", "")];
    let files = [files[0], files[1], ("lower.rs", ""), ("upper.rs", "")];
    let found = findings(&check(&files, UPPER_AND_LOWER));
    assert_eq!(
        found,
        ["module `extra` is not in the table: add it to a layer in tests/layers/src/table.rs"]
    );
}

#[test]
fn rejects_table_entry_without_module() {
    let found = findings(&check(&[("lib.rs", "mod upper {}\n")], UPPER_AND_LOWER));
    assert_eq!(found, ["the table lists module `lower`, which does not exist"]);
}

#[test]
fn rejects_module_listed_twice() {
    let table = [Entry { folder: "app", layers: &[&["upper"], &["upper"]] }];
    let found = findings(&check(&[("lib.rs", "mod upper {}\n")], &table));
    assert_eq!(found, ["the table lists module `upper` twice"]);
}

#[test]
fn rejects_crate_missing_from_table() {
    let found = findings(&check(&[("lib.rs", "")], &[]));
    assert_eq!(found, ["the crate is not in the table: add it to tests/layers/src/table.rs"]);
}
