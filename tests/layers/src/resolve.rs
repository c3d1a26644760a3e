//! Resolves paths to the module that defines their target.

use crate::model::{Crate, Import, ModuleId, Path};

/// The target of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// The module itself.
    Module(ModuleId),
    /// An item that the module defines.
    Item(ModuleId),
    /// An item of another crate that the module imports under this name.
    Foreign(ModuleId),
    /// A macro that the crate root defines.
    RootMacro,
}

/// Returns the target of `path` as written in module `from`, or `None` if it is in another crate.
pub(crate) fn resolve(krate: &Crate, from: ModuleId, path: &Path) -> Option<Target> {
    Resolver { krate, visited: Vec::new() }.resolve(from, path)
}

struct Resolver<'a> {
    krate: &'a Crate,
    /// The names under search, so that imports of each other end.
    visited: Vec<(ModuleId, String, bool)>,
}

impl Resolver<'_> {
    fn resolve(&mut self, from: ModuleId, path: &[String]) -> Option<Target> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => self.descend(self.krate.root_of(from), rest),
            "self" => self.ascend(from, rest),
            "super" => self.ascend(from, path),
            "" => self.library(from, rest),
            name => match self.lookup(from, name, rest.is_empty()) {
                Some(Target::Module(module)) => self.descend(module, rest),
                Some(target) => Some(target),
                None => self.library(from, path),
            },
        }
    }

    /// Resolves a path inside `from`, after any number of leading `super`.
    fn ascend(&mut self, mut from: ModuleId, mut path: &[String]) -> Option<Target> {
        while let Some((first, rest)) = path.split_first()
            && first == "super"
        {
            from = self.krate[from].parent?;
            path = rest;
        }
        self.descend(from, path)
    }

    /// Resolves a path of `main.rs` that starts with the name of the library.
    fn library(&mut self, from: ModuleId, path: &[String]) -> Option<Target> {
        let (first, rest) = path.split_first()?;
        let library = self.krate.library_root?;
        if *first != self.krate.library || self.krate.root_of(from) == library {
            return None;
        }
        self.descend(library, rest)
    }

    /// Resolves the rest of a path inside `module`. An unknown name counts as an item of the module,
    /// because a macro may define it.
    fn descend(&mut self, module: ModuleId, rest: &[String]) -> Option<Target> {
        let Some((name, rest)) = rest.split_first() else { return Some(Target::Module(module)) };
        match self.lookup(module, name, rest.is_empty()) {
            Some(Target::Module(child)) => self.descend(child, rest),
            Some(target) => Some(target),
            None => Some(Target::Item(module)),
        }
    }

    /// Returns the target of `name` in the scope of `module`. A name that ends its path is an item
    /// rather than a module, if both exist.
    fn lookup(&mut self, module: ModuleId, name: &str, last: bool) -> Option<Target> {
        let key = (module, name.to_owned(), last);
        if self.visited.contains(&key) {
            return None;
        }
        self.visited.push(key);
        let found = self.lookup_unguarded(module, name, last);
        self.visited.pop();
        found
    }

    fn lookup_unguarded(&mut self, id: ModuleId, name: &str, last: bool) -> Option<Target> {
        let krate = self.krate;
        let module = &krate[id];
        let child = module.children.get(name).map(|&child| Target::Module(child));
        if child.is_some() && !last {
            return child;
        }
        if module.items.contains(name) {
            return Some(self.item(id, name));
        }
        if let Some(imports) = module.imports.get(name) {
            let target = self.import(id, imports);
            return Some(target.or(child).unwrap_or(Target::Foreign(id)));
        }
        child.or_else(|| self.glob(id, name, last)).or_else(|| self.exported_macro(id, name))
    }

    fn item(&self, id: ModuleId, name: &str) -> Target {
        let module = &self.krate[id];
        if module.parent.is_none() && module.macros.contains(name) {
            Target::RootMacro
        } else {
            Target::Item(id)
        }
    }

    fn import(&mut self, id: ModuleId, imports: &[Import]) -> Option<Target> {
        imports.iter().find_map(|import| self.resolve(id, &import.path))
    }

    fn glob(&mut self, id: ModuleId, name: &str, last: bool) -> Option<Target> {
        let krate = self.krate;
        krate[id].globs.iter().find_map(|path| match self.resolve(id, path)? {
            Target::Module(module) => self.lookup(module, name, last),
            _ => None,
        })
    }

    fn exported_macro(&self, root: ModuleId, name: &str) -> Option<Target> {
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
