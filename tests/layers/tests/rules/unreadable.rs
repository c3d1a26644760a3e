//! The constructs that could hide a path from the checker.

use crate::fixture::{UPPER_AND_LOWER, check, findings, findings_in_lower};

const INCLUDE: &str = "unreadable `include!`: declare the file with `mod` instead";
const NESTED_MODULE: &str =
    "unreadable module inside a function: declare it outside the function instead";
const ROOT_MACRO: &str =
    "unreadable path in a macro of the crate root: define the macro in a module instead";

/// Returns the findings in a crate whose root consists of the code `root` and the modules of the
/// table.
fn findings_in_root(root: &str) -> Vec<String> {
    let root = format!("{root}mod lower {{}}\nmod upper {{ pub struct X; }}\n");
    findings(&check(&[("lib.rs", &root)], UPPER_AND_LOWER))
}

#[test]
fn rejects_extern_crate_self() {
    let text = "unreadable `extern crate self`: start paths with `crate` instead";
    let found = findings_in_root("extern crate self;\nextern crate self as app;\n");
    assert_eq!(found, [format!("src/lib.rs:1: {text}"), format!("src/lib.rs:2: {text}")]);
    let found = findings_in_lower("fn f() {\n    extern crate self as app;\n}\n");
    assert_eq!(found, [format!("src/lower.rs:2: {text}")]);
}

#[test]
fn accepts_extern_crate_of_other_crate() {
    assert_eq!(findings_in_root("extern crate alloc;\n"), [""; 0]);
}

#[test]
fn rejects_include_of_code() {
    let found = findings_in_lower("include!(\"code.rs\");\n");
    assert_eq!(found, [format!("src/lower.rs:1: {INCLUDE}")]);
    let found = findings_in_lower("fn f() {\n    let _ = core::include!(\"code.rs\");\n}\n");
    assert_eq!(found, [format!("src/lower.rs:2: {INCLUDE}")]);
}

#[test]
fn rejects_include_of_code_in_macro_tokens() {
    let found = findings_in_lower("fn f() {\n    vec![1, std::include!(\"code.rs\")];\n}\n");
    assert_eq!(found, [format!("src/lower.rs:2: {INCLUDE}")]);
}

#[test]
fn accepts_include_of_data_and_names_of_items() {
    let found = findings_in_lower(
        "const A: &str = include_str!(\"a\");\nconst B: &[u8] = include_bytes!(\"b\");\n\
         fn f(include: bool) {\n    assert!(include != true);\n    z!(include, include_str!(\"a\"));\n}\n",
    );
    assert_eq!(found, [""; 0]);
}

#[test]
fn accepts_include_of_code_in_tests() {
    assert_eq!(findings_in_lower("#[cfg(test)]\ninclude!(\"code.rs\");\n"), [""; 0]);
}

#[test]
fn rejects_module_inside_function() {
    let found = findings_in_lower("fn f() {\n    mod inner { use crate::upper::X; }\n}\n");
    assert_eq!(found, [format!("src/lower.rs:2: {NESTED_MODULE}")]);
}

#[test]
fn accepts_test_module_inside_function() {
    assert_eq!(findings_in_lower("fn f() {\n    #[cfg(test)]\n    mod inner {}\n}\n"), [""; 0]);
}

#[test]
fn rejects_macro_of_root_with_path_into_crate() {
    for path in ["crate::upper::X", "$crate::upper::X", "super::upper::X", "crate::$m::X"] {
        let found = findings_in_root(&format!("macro_rules! m {{\n    () => {{ {path} }};\n}}\n"));
        assert_eq!(found, [format!("src/lib.rs:2: {ROOT_MACRO}")], "{path}");
    }
}

#[test]
fn rejects_macro_of_root_with_use_tree_into_crate() {
    let found = findings_in_root("macro_rules! m {\n    () => { use crate::{upper::X}; };\n}\n");
    assert_eq!(found, [format!("src/lib.rs:2: {ROOT_MACRO}")]);
}

#[test]
fn accepts_macro_of_root_without_path_into_crate() {
    let found = findings_in_root(
        "macro_rules! m {\n    ($x:ident) => { pub(crate) struct $x(std::fmt::Error); };\n}\n",
    );
    assert_eq!(found, [""; 0]);
}

#[test]
fn counts_unreadable_places_of_crate() {
    let files = [("lib.rs", "mod lower {}\nmod upper { include!(\"code.rs\"); }\n")];
    let report = check(&files, UPPER_AND_LOWER);
    let line = "app: 2 modules in 2 layers, 0 edges, none upward, no cycle, 1 unreadable place";
    assert_eq!(report.to_string(), line);
}
