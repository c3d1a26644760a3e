//! The findings, and the text of each.

use std::collections::BTreeSet;
use std::fmt;

use crate::unreadable::Unreadable;

/// A violation of a rule.
#[derive(Debug)]
pub enum Finding {
    /// The table has no entry for the crate.
    CrateNotInTable,
    /// The table does not list a top-level module.
    UnlistedModule(String),
    /// The table lists a top-level module that does not exist.
    AbsentModule(String),
    /// The table lists a top-level module more than once.
    ListedTwice(String),
    /// A module uses a module of a higher layer.
    UpwardDependency {
        /// The file and line of the use.
        at: String,
        /// The module of the lower layer.
        from: String,
        /// The layer of `from`.
        from_layer: usize,
        /// The module of the higher layer.
        to: String,
        /// The layer of `to`.
        to_layer: usize,
    },
    /// A module uses an item that the crate root defines.
    DependencyOnRoot {
        /// The file and line of the use.
        at: String,
        /// The module that contains the use.
        from: String,
        /// The path of the item.
        path: String,
    },
    /// A file contains code that could hide a path.
    Unreadable {
        /// The file and line of the code.
        at: String,
        /// The kind of code.
        construct: Unreadable,
    },
    /// Modules use each other.
    Cycle(Cycle),
}

/// A strongly connected set of modules. Each module uses every other module of the set, directly or
/// through other members.
#[derive(Debug)]
pub struct Cycle {
    /// The module whose children form the cycle, or `None` for top-level modules.
    pub module: Option<String>,
    /// The names of the modules. The name `self` means the own file of `module`.
    pub members: Vec<String>,
    /// The edges between the members.
    pub edges: Vec<CycleEdge>,
}

/// An edge of a cycle.
#[derive(Debug)]
pub struct CycleEdge {
    /// The module that contains the uses.
    pub from: String,
    /// The module that the paths resolve to.
    pub to: String,
    /// The file and line of one use.
    pub at: String,
    /// The names that the paths use.
    pub names: BTreeSet<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CrateNotInTable => {
                f.write_str("the crate is not in the table: add it to tests/layers/src/table.rs")
            }
            Self::UnlistedModule(name) => write!(
                f,
                "module `{name}` is not in the table: add it to a layer in tests/layers/src/table.rs"
            ),
            Self::AbsentModule(name) => {
                write!(f, "the table lists module `{name}`, which does not exist")
            }
            Self::ListedTwice(name) => write!(f, "the table lists module `{name}` twice"),
            Self::UpwardDependency { at, from, from_layer, to, to_layer } => write!(
                f,
                "{at}: `{from}` (layer {from_layer}) uses `{to}` (layer {to_layer}): \
                 a module uses its own layer and lower layers only"
            ),
            Self::DependencyOnRoot { at, from, path } => write!(
                f,
                "{at}: `{from}` uses `{path}` of the crate root, which is above all layers: \
                 define the item in a module"
            ),
            Self::Unreadable { at, construct } => write!(f, "{at}: {construct}"),
            Self::Cycle(cycle) => cycle.fmt(f),
        }
    }
}

impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, members) = (self.members.len(), self.members.join(", "));
        match &self.module {
            None => write!(f, "cycle of {count} top-level modules: {members}")?,
            Some(module) => write!(f, "cycle of {count} modules inside `{module}`: {members}")?,
        }
        for CycleEdge { from, to, at, names } in &self.edges {
            let names = names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            write!(f, "\n    {from} -> {to} at {at} ({names})")?;
        }
        Ok(())
    }
}
