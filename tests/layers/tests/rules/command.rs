//! The command line: exit status and output.

use std::path::Path;
use std::process::Command;

use crate::fixture::workspace;

/// Returns the exit status, stdout and stderr of the command.
fn run(root: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_layers"));
    let output = command.arg("--root").arg(root).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

const CYCLE: &str = "mod a { use crate::b::B; pub struct A; }\n\
                      mod b { use crate::a::A; pub struct B; }\n";

#[test]
fn prints_one_line_for_clean_crate() {
    let root = workspace(&[("lib.rs", "mod a {}\n")]);
    let (status, stdout, stderr) = run(root.path(), &["--no-table"]);
    assert_eq!((status, stderr.as_str()), (Some(0), ""));
    assert_eq!(stdout, "app: 1 module, 0 edges, no cycle\n");
}

#[test]
fn fails_with_findings_on_stderr() {
    let root = workspace(&[("lib.rs", CYCLE)]);
    let (status, _, stderr) = run(root.path(), &["--no-table", "--crate", "app"]);
    assert_eq!(status, Some(1));
    assert!(stderr.starts_with("app: cycle of 2 top-level modules: a, b\n"), "{stderr}");
    assert!(
        stderr.ends_with(
            "layers: 0 upward edges, 1 cycle, 0 unreadable places, 0 errors in the table\n"
        ),
        "{stderr}"
    );
}

#[test]
fn fails_for_crate_missing_from_table() {
    let root = workspace(&[("lib.rs", "")]);
    let (status, _, stderr) = run(root.path(), &["--crate", "app"]);
    assert_eq!(status, Some(1));
    assert!(stderr.starts_with("app: the crate is not in the table: "), "{stderr}");
}

#[test]
fn prints_edges_with_number_of_uses() {
    let root = workspace(&[("lib.rs", CYCLE)]);
    let (status, stdout, _) = run(root.path(), &["--graph", "app"]);
    assert_eq!((status, stdout.as_str()), (Some(0), "a -> b (1)\nb -> a (1)\n"));
}

#[test]
fn exits_with_2_for_unreadable_workspace() {
    let root = tempfile::tempdir().unwrap();
    let (status, _, stderr) = run(root.path(), &[]);
    assert_eq!(status, Some(2));
    assert!(stderr.starts_with("layers: cannot read "), "{stderr}");
}
