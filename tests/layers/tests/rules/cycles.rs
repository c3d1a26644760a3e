//! Rule 2 (no cycle of top-level modules) and rule 3 (no cycle of the children of a module).

use layers::Entry;

use crate::fixture::{check, findings};

const ONE_LAYER: &[Entry] = &[Entry { folder: "app", layers: &[&["a", "b", "c"]] }];
const ONE_MODULE: &[Entry] = &[Entry { folder: "app", layers: &[&["a"]] }];

#[test]
fn accepts_edges_within_layer() {
    let root = "mod a { use crate::b::B; }\nmod b { pub struct B; }\nmod c { use crate::b::B; }\n";
    assert_eq!(findings(&check(&[("lib.rs", root)], ONE_LAYER)), [""; 0]);
}

#[test]
fn rejects_cycle_within_layer() {
    let files = [
        ("lib.rs", "mod a;\nmod b;\nmod c;\n"),
        ("a.rs", "use crate::b::B;\npub struct A;\n"),
        ("b.rs", "pub struct B(crate::c::C);\n"),
        ("c.rs", "pub struct C;\n\nuse crate::a::A;\n"),
    ];
    let report = check(&files, ONE_LAYER);
    let expected = "cycle of 3 top-level modules: a, b, c\n    \
                    a -> b at src/a.rs:1 (B)\n    \
                    b -> c at src/b.rs:1 (C)\n    \
                    c -> a at src/c.rs:3 (A)";
    assert_eq!(findings(&report), [expected]);
    let line = "app: 3 modules in 1 layer, 3 edges, none upward, 1 cycle";
    assert_eq!(report.to_string(), line);
}

#[test]
fn rejects_cycle_between_child_and_file_of_parent() {
    let files = [
        ("lib.rs", "mod a;\n"),
        ("a/mod.rs", "mod child;\nuse self::child::Child;\npub struct Item;\n"),
        ("a/child.rs", "use super::Item;\npub struct Child;\n"),
    ];
    let expected = "cycle of 2 modules inside `a`: self, child\n    \
                    self -> child at src/a/mod.rs:2 (Child)\n    \
                    child -> self at src/a/child.rs:1 (Item)";
    assert_eq!(findings(&check(&files, ONE_MODULE)), [expected]);
}

#[test]
fn accepts_reexport_of_child_that_uses_parent() {
    let files = [
        ("lib.rs", "mod a;\n"),
        ("a/mod.rs", "mod child;\npub use self::child::Child;\npub struct Item;\n"),
        ("a/child.rs", "use super::Item;\npub struct Child;\n"),
    ];
    assert_eq!(findings(&check(&files, ONE_MODULE)), [""; 0]);
}

#[test]
fn rejects_use_of_reexported_name_by_file_of_parent() {
    let files = [
        ("lib.rs", "mod a;\n"),
        ("a/mod.rs", "mod child;\npub use self::child::Child;\npub struct Item(Child);\n"),
        ("a/child.rs", "use super::Item;\npub struct Child;\n"),
    ];
    let expected = "cycle of 2 modules inside `a`: self, child\n    \
                    self -> child at src/a/mod.rs:3 (Child)\n    \
                    child -> self at src/a/child.rs:1 (Item)";
    assert_eq!(findings(&check(&files, ONE_MODULE)), [expected]);
}

#[test]
fn rejects_cycle_of_siblings_through_reexport_and_grandchild() {
    let files = [
        ("lib.rs", "mod a;\n"),
        ("a/mod.rs", "mod one;\nmod two;\npub use self::two::Two;\n"),
        ("a/one/mod.rs", "mod inner;\npub struct One;\n"),
        ("a/one/inner.rs", "use crate::a::Two;\n"),
        ("a/two.rs", "use super::one::One;\npub struct Two;\n"),
    ];
    let expected = "cycle of 2 modules inside `a`: one, two\n    \
                    one -> two at src/a/one/inner.rs:1 (Two)\n    \
                    two -> one at src/a/two.rs:1 (One)";
    assert_eq!(findings(&check(&files, ONE_MODULE)), [expected]);
}

#[test]
fn accepts_reexports_of_each_other() {
    let root = "mod a { pub use self::b::X; mod b { pub use super::X; } }\n";
    assert_eq!(findings(&check(&[("lib.rs", root)], ONE_MODULE)), [""; 0]);
}
