//! Resolves paths to the module that defines their target.

use crate::model::{Crate, Import, ModuleId, Path};

/// The target of a path. Each [`ModuleId`] is the module that the dependency edge leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// The module itself.
    Module(ModuleId),
    /// An item that the module defines.
    Item(ModuleId),
    /// An item of another crate. The `ModuleId` is the module that imports it.
    OtherCrate(ModuleId),
    /// A macro that the crate root defines.
    RootMacro,
}

/// Returns the target of `path`, which module `from` contains. Returns `None` if the path leads to
/// another crate.
pub(crate) fn resolve(krate: &Crate, from: ModuleId, path: &Path) -> Option<Target> {
    Resolver { krate, in_progress: Vec::new() }.resolve(from, path)
}

struct Resolver<'a> {
    krate: &'a Crate,
    /// The lookups in progress. They stop the recursion when two imports refer to each other.
    in_progress: Vec<Lookup>,
}

#[derive(PartialEq, Eq)]
struct Lookup {
    module: ModuleId,
    name: String,
    ends_path: bool,
}

impl Resolver<'_> {
    fn resolve(&mut self, from: ModuleId, path: &[String]) -> Option<Target> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => self.descend(self.krate.root_of(from), rest),
            "self" => self.ascend(from, rest),
            "super" => self.ascend(from, path),
            "" => self.resolve_in_library(from, rest),
            name => match self.lookup(from, name, rest.is_empty()) {
                Some(Target::Module(module)) => self.descend(module, rest),
                Some(target) => Some(target),
                None => self.resolve_in_library(from, path),
            },
        }
    }

    /// Resolves a path relative to `from`. Each leading `super` moves to the parent module.
    fn ascend(&mut self, mut from: ModuleId, mut path: &[String]) -> Option<Target> {
        while let Some((first, rest)) = path.split_first()
            && first == "super"
        {
            from = self.krate[from].parent?;
            path = rest;
        }
        self.descend(from, path)
    }

    /// Resolves a path of `main.rs` that starts with the name of the crate's library.
    fn resolve_in_library(&mut self, from: ModuleId, path: &[String]) -> Option<Target> {
        let (first, rest) = path.split_first()?;
        let library = self.krate.library_root?;
        if *first != self.krate.library || self.krate.root_of(from) == library {
            return None;
        }
        self.descend(library, rest)
    }

    /// Resolves the rest of a path inside `module`. An unknown name counts as an item of the module,
    /// because a macro can define such an item.
    fn descend(&mut self, module: ModuleId, rest: &[String]) -> Option<Target> {
        let Some((name, rest)) = rest.split_first() else { return Some(Target::Module(module)) };
        match self.lookup(module, name, rest.is_empty()) {
            Some(Target::Module(child)) => self.descend(child, rest),
            Some(target) => Some(target),
            None => Some(Target::Item(module)),
        }
    }

    /// Returns the target of `name` in the scope of `module`. If the module has an item and a child
    /// module with this name, the last segment of a path means the item. Other segments mean the
    /// child module.
    fn lookup(&mut self, module: ModuleId, name: &str, ends_path: bool) -> Option<Target> {
        let lookup = Lookup { module, name: name.to_owned(), ends_path };
        if self.in_progress.contains(&lookup) {
            return None;
        }
        self.in_progress.push(lookup);
        let found = self.lookup_in_module(module, name, ends_path);
        self.in_progress.pop();
        found
    }

    fn lookup_in_module(&mut self, id: ModuleId, name: &str, ends_path: bool) -> Option<Target> {
        let krate = self.krate;
        let module = &krate[id];
        let child = module.children.get(name).map(|&child| Target::Module(child));
        if child.is_some() && !ends_path {
            return child;
        }
        if module.items.contains(name) {
            return Some(self.item_target(id, name));
        }
        if let Some(imports) = module.imports.get(name) {
            let target = self.resolve_imports(id, imports);
            return Some(target.or(child).unwrap_or(Target::OtherCrate(id)));
        }
        child
            .or_else(|| self.lookup_in_globs(id, name, ends_path))
            .or_else(|| self.lookup_exported_macro(id, name))
    }

    fn item_target(&self, id: ModuleId, name: &str) -> Target {
        let module = &self.krate[id];
        if module.parent.is_none() && module.macros.contains(name) {
            Target::RootMacro
        } else {
            Target::Item(id)
        }
    }

    fn resolve_imports(&mut self, id: ModuleId, imports: &[Import]) -> Option<Target> {
        imports.iter().find_map(|import| self.resolve(id, &import.path))
    }

    fn lookup_in_globs(&mut self, id: ModuleId, name: &str, ends_path: bool) -> Option<Target> {
        let krate = self.krate;
        krate[id].globs.iter().find_map(|path| match self.resolve(id, path)? {
            Target::Module(module) => self.lookup(module, name, ends_path),
            _ => None,
        })
    }

    fn lookup_exported_macro(&self, root: ModuleId, name: &str) -> Option<Target> {
        if self.krate[root].parent.is_some() {
            return None;
        }
        let mut modules = self.krate.modules();
        modules
            .find(|(id, module)| {
                module.exported_macros.contains(name) && self.krate.root_of(*id) == root
            })
            .map(|(id, _)| Target::Item(id))
    }
}
