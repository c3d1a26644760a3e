//! Parsing of command lines. `--version` also prints the commit.

use clap::Parser;

/// Parses the command line of this process. `commit` is the commit of the build, which the Makefile passes
/// to the compiler.
///
/// An invalid command line, `--help` and `--version` end the process, as with [`Parser::parse`].
pub fn parse_command_line<T: Parser>(commit: Option<&str>) -> T {
    let matches = T::command().version(version(commit)).get_matches();
    T::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut T::command()).exit())
}

/// Returns the text of `--version`. All crates of the workspace have the same version. Outside a Git
/// checkout the Makefile passes an empty commit.
fn version(commit: Option<&str>) -> String {
    let commit = match commit.unwrap_or_default() {
        "" => "unknown: built without make or Git",
        commit => commit,
    };
    format!("{} (commit {commit})", env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_names_the_commit() {
        let crate_version = env!("CARGO_PKG_VERSION");
        let dirty = version(Some("9361114abcde-dirty"));
        assert_eq!(dirty, format!("{crate_version} (commit 9361114abcde-dirty)"));
    }

    #[test]
    fn version_reports_unknown_commit() {
        let unknown = format!("{} (commit unknown: ", env!("CARGO_PKG_VERSION"));
        for commit in [None, Some("")] {
            assert!(version(commit).starts_with(&unknown), "{commit:?}");
        }
    }
}
