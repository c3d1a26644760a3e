//! The modules of one crate. Each module has the names that it declares and the paths that it
//! contains.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::{Index, IndexMut};
use std::rc::Rc;

use crate::unreadable::Unreadable;

/// A crate, read from its source.
#[derive(Debug)]
pub(crate) struct Crate {
    /// The name by which `main.rs` uses the library.
    pub(crate) library: String,
    /// The module of `src/lib.rs`.
    pub(crate) library_root: Option<ModuleId>,
    modules: Vec<Module>,
}

/// The position of a module in its crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ModuleId(usize);

/// A module. If `mod` items under different cfgs declare several files for one module, the module
/// combines all of them.
#[derive(Debug, Default)]
pub(crate) struct Module {
    /// The name, empty for a crate root.
    pub(crate) name: String,
    /// The enclosing module, absent for a crate root.
    pub(crate) parent: Option<ModuleId>,
    /// The child modules, by name.
    pub(crate) children: BTreeMap<String, ModuleId>,
    /// The names of the items and macros that the module defines.
    pub(crate) items: BTreeSet<String>,
    /// The subset of `items` that are macros.
    pub(crate) macros: BTreeSet<String>,
    /// The names of macros with `#[macro_export]`. Such a macro is an item of the crate root.
    pub(crate) exported_macros: BTreeSet<String>,
    /// The imports that bind each name.
    pub(crate) imports: BTreeMap<String, Vec<Import>>,
    /// The modules and enums that the module imports with `*`.
    pub(crate) globs: Vec<Path>,
    /// The paths in the module, including the paths of its imports.
    pub(crate) uses: Vec<PathUse>,
    /// The constructs that the checker does not read.
    pub(crate) unreadable: Vec<(Location, Unreadable)>,
}

/// The segments of a path. A path with a leading `::` starts with an empty segment.
pub(crate) type Path = Vec<String>;

/// An import that binds a name.
#[derive(Debug)]
pub(crate) struct Import {
    /// The imported path.
    pub(crate) path: Path,
    /// True if the import is also a re-export, because it has a visibility.
    pub(crate) reexport: bool,
}

/// A path, and the line that contains it.
#[derive(Debug)]
pub(crate) struct PathUse {
    /// The segments of the path.
    pub(crate) path: Path,
    /// The position of the first segment.
    pub(crate) at: Location,
    /// True if the path belongs to a re-export.
    pub(crate) reexport: bool,
}

/// A line of a source file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Location {
    /// The file, relative to the folder of the crate.
    pub(crate) file: Rc<str>,
    /// The line, starting at 1.
    pub(crate) line: usize,
}

impl Crate {
    /// Returns a crate without modules.
    pub(crate) fn new(library: String) -> Self {
        Self { library, library_root: None, modules: Vec::new() }
    }

    /// Adds a crate root.
    pub(crate) fn add_root(&mut self) -> ModuleId {
        self.add(Module::default())
    }

    /// Returns the child module with this name. Adds the child if the module has none with this
    /// name.
    pub(crate) fn add_child(&mut self, parent: ModuleId, name: &str) -> ModuleId {
        if let Some(&id) = self[parent].children.get(name) {
            return id;
        }
        let id = self.add(Module { name: name.into(), parent: Some(parent), ..Module::default() });
        self[parent].children.insert(name.into(), id);
        id
    }

    fn add(&mut self, module: Module) -> ModuleId {
        self.modules.push(module);
        ModuleId(self.modules.len() - 1)
    }

    /// Iterates over all modules, parents before children.
    pub(crate) fn modules(&self) -> impl Iterator<Item = (ModuleId, &Module)> {
        self.modules.iter().enumerate().map(|(index, module)| (ModuleId(index), module))
    }

    /// Returns the modules from the crate root down to `id`, including both.
    pub(crate) fn ancestry(&self, id: ModuleId) -> Vec<ModuleId> {
        let mut ancestry = vec![id];
        let mut current = id;
        while let Some(parent) = self[current].parent {
            ancestry.push(parent);
            current = parent;
        }
        ancestry.reverse();
        ancestry
    }

    /// Returns the crate root above `id`.
    pub(crate) fn root_of(&self, mut id: ModuleId) -> ModuleId {
        while let Some(parent) = self[id].parent {
            id = parent;
        }
        id
    }

    /// Returns the names of the top-level modules.
    pub(crate) fn top_level(&self) -> BTreeSet<&str> {
        let roots = self.modules.iter().filter(|module| module.parent.is_none());
        roots.flat_map(|root| root.children.keys().map(String::as_str)).collect()
    }

    /// Returns the path of a module below the crate root, such as `key_store::hsm`.
    pub(crate) fn path_of(&self, id: ModuleId) -> String {
        let ancestry = self.ancestry(id);
        let names = ancestry.iter().skip(1).map(|&id| self[id].name.as_str());
        names.collect::<Vec<_>>().join("::")
    }
}

impl Index<ModuleId> for Crate {
    type Output = Module;

    #[expect(clippy::indexing_slicing, reason = "only `Crate::add` makes an id, for itself")]
    fn index(&self, id: ModuleId) -> &Module {
        &self.modules[id.0]
    }
}

impl IndexMut<ModuleId> for Crate {
    #[expect(clippy::indexing_slicing, reason = "only `Crate::add` makes an id, for itself")]
    fn index_mut(&mut self, id: ModuleId) -> &mut Module {
        &mut self.modules[id.0]
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
