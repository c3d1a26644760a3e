//! Reads the module tree of a crate from its files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use syn::{Item, ItemMod};

use crate::cfg;
use crate::collect::collect;
use crate::model::{Crate, Module, ModuleId};

/// An error that keeps the source of a crate from being read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the file system.
        source: io::Error,
    },
    /// A source file cannot be parsed.
    #[error("cannot parse {}:{}: {source}", path.display(), source.span().start().line)]
    Source {
        /// The file.
        path: PathBuf,
        /// The error of the parser.
        source: syn::Error,
    },
    /// A manifest cannot be parsed, or an entry is missing.
    #[error("cannot read the manifest {}: {reason}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// The error of the parser, or the missing entry.
        reason: String,
    },
    /// A module is declared, but its file does not exist.
    #[error("cannot find the file of `mod {name}` beside {}", path.display())]
    NoModuleFile {
        /// The name of the module.
        name: String,
        /// The file that declares the module.
        path: PathBuf,
    },
    /// `--crate` or `--graph` names a folder that is not a crate of the workspace.
    #[error("the workspace has no crate {0:?} (give the folder, as `members` in Cargo.toml does)")]
    NoCrate(String),
}

/// Reads `src/lib.rs` and `src/main.rs` below `folder`, and all of their modules.
pub(crate) fn read_crate(folder: &Path, library: String) -> Result<Crate, ReadError> {
    let mut reader = Reader { folder, krate: Crate::new(library) };
    let source = folder.join("src");
    for root in ["lib.rs", "main.rs"] {
        let file = source.join(root);
        if file.is_file() {
            let id = reader.krate.add_root();
            if root == "lib.rs" {
                reader.krate.library_root = Some(id);
            }
            reader.read_file(id, &file, &source)?;
        }
    }
    Ok(reader.krate)
}

struct Reader<'a> {
    folder: &'a Path,
    krate: Crate,
}

/// The file that contains an item, and the folders that are searched for the files of child
/// modules.
struct FileContext<'a> {
    file: &'a Path,
    /// The folder that contains the files of child modules.
    children: &'a Path,
    /// The folder to which the path in a `#[path]` attribute is relative.
    path_attributes: &'a Path,
}

impl Reader<'_> {
    fn read_file(&mut self, id: ModuleId, file: &Path, children: &Path) -> Result<(), ReadError> {
        let text = fs::read_to_string(file)
            .map_err(|source| ReadError::File { path: file.into(), source })?;
        let parsed = syn::parse_file(&text)
            .map_err(|source| ReadError::Source { path: file.into(), source })?;
        if cfg::is_test_only(&parsed.attrs) {
            return Ok(());
        }
        let path_attributes = file.parent().unwrap_or(file);
        self.read_items(id, &parsed.items, &FileContext { file, children, path_attributes })
    }

    fn read_items(
        &mut self,
        id: ModuleId,
        items: &[Item],
        context: &FileContext<'_>,
    ) -> Result<(), ReadError> {
        let file = context.file.strip_prefix(self.folder).unwrap_or(context.file);
        let file: Rc<str> = Rc::from(file.to_string_lossy());
        for item in items {
            if cfg::is_test_only(cfg::item_parts(item).0) {
                continue;
            }
            if let Item::Mod(module) = item {
                self.read_module(id, module, context)?;
            } else {
                declare(item, &mut self.krate[id]);
                collect(item, &mut self.krate[id], Rc::clone(&file));
            }
        }
        Ok(())
    }

    fn read_module(
        &mut self,
        parent: ModuleId,
        module: &ItemMod,
        context: &FileContext<'_>,
    ) -> Result<(), ReadError> {
        let name = module.ident.to_string();
        let id = self.krate.add_child(parent, &name);
        let children = context.children.join(&name);
        if let Some((_, items)) = &module.content {
            let file = context.file;
            let inline = FileContext { file, children: &children, path_attributes: &children };
            return self.read_items(id, items, &inline);
        }
        if let Some(path) = cfg::path_attribute(&module.attrs) {
            let file = context.path_attributes.join(path);
            return self.read_file(id, &file, file.parent().unwrap_or(&file));
        }
        let candidates = [children.with_extension("rs"), children.join("mod.rs")];
        match candidates.iter().find(|file| file.is_file()) {
            Some(file) => self.read_file(id, file, &children),
            None => Err(ReadError::NoModuleFile { name, path: context.file.into() }),
        }
    }
}

fn declare(item: &Item, module: &mut Module) {
    let (attributes, Some(name)) = cfg::item_parts(item) else { return };
    if matches!(item, Item::Macro(_)) {
        module.macros.insert(name.to_string());
        if cfg::is_exported_macro(attributes) {
            module.exported_macros.insert(name.to_string());
        }
    }
    module.items.insert(name.to_string());
}
