//! Finds the crates of a workspace.

use std::fs;
use std::path::Path;

use toml::{Table, Value};

use crate::read::ReadError;

/// A crate of the workspace.
pub(crate) struct Member {
    /// The folder of the crate, relative to the workspace.
    pub(crate) folder: String,
    /// The name of the library in Rust code.
    pub(crate) library: String,
}

/// Returns the members of the workspace at `root` that have a library or a program.
pub(crate) fn members(root: &Path) -> Result<Vec<Member>, ReadError> {
    let manifest = read_manifest(&root.join("Cargo.toml"))?;
    let folders = manifest.get("workspace").and_then(|workspace| workspace.get("members"));
    let Some(folders) = folders.and_then(Value::as_array) else {
        let reason = "`workspace.members` is missing".into();
        return Err(ReadError::Manifest { path: root.join("Cargo.toml"), reason });
    };
    let mut members = Vec::new();
    for folder in folders.iter().filter_map(Value::as_str) {
        let source = root.join(folder).join("src");
        if source.join("lib.rs").is_file() || source.join("main.rs").is_file() {
            let library = library_name(&root.join(folder).join("Cargo.toml"))?;
            members.push(Member { folder: folder.into(), library });
        }
    }
    Ok(members)
}

fn library_name(path: &Path) -> Result<String, ReadError> {
    let manifest = read_manifest(path)?;
    let name = |table: &str| manifest.get(table)?.get("name")?.as_str();
    let Some(name) = name("lib").or_else(|| name("package")) else {
        let reason = "`package.name` is missing".into();
        return Err(ReadError::Manifest { path: path.into(), reason });
    };
    Ok(name.replace('-', "_"))
}

fn read_manifest(path: &Path) -> Result<Table, ReadError> {
    let text =
        fs::read_to_string(path).map_err(|source| ReadError::File { path: path.into(), source })?;
    text.parse::<Table>()
        .map_err(|error| ReadError::Manifest { path: path.into(), reason: error.to_string() })
}
