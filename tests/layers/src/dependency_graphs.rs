//! Builds the graphs of a crate. One graph contains the top-level modules. Each module has another
//! graph of its children.

use std::collections::BTreeMap;

use crate::graph::{Graph, Node, Occurrence};
use crate::model::{Crate, Module, ModuleId, PathUse};
use crate::resolve::{Target, resolve};

/// The dependency graphs of a crate.
#[derive(Debug, Default)]
pub(crate) struct Graphs {
    /// The edges between top-level modules, and the edges from top-level modules to the crate root.
    pub(crate) top_level: Graph,
    /// The edges between the children of each module.
    pub(crate) inner: BTreeMap<ModuleId, Graph>,
}

/// Returns the graphs of `krate`.
pub(crate) fn graphs(krate: &Crate) -> Graphs {
    let mut graphs = Graphs::default();
    for (id, module) in krate.modules() {
        for path_use in &module.uses {
            if let Some(target) = target(krate, id, module, path_use) {
                add(&mut graphs, krate, id, target, path_use);
            }
        }
    }
    graphs
}

/// Returns the module that a path resolves to, and whether the target is an item of that module.
fn target(
    krate: &Crate,
    from: ModuleId,
    module: &Module,
    path_use: &PathUse,
) -> Option<(ModuleId, bool)> {
    let target = resolve(krate, from, &path_use.path)?;
    let (to, is_item) = match target {
        Target::Item(to) => (to, true),
        Target::Module(to) | Target::OtherCrate(to) => (to, false),
        Target::RootMacro => return None,
    };
    let is_repetition = is_bare_name(path_use) && (!is_item || is_imported(module, path_use));
    let is_reexport_of_child = path_use.reexport && krate.ancestry(to).contains(&from);
    (!is_repetition && !is_reexport_of_child).then_some((to, is_item))
}

fn is_bare_name(path_use: &PathUse) -> bool {
    path_use.path.len() == 1
}

/// Returns true if a private import of `module` binds the name. The import has already added the edge of
/// that name.
fn is_imported(module: &Module, path_use: &PathUse) -> bool {
    let imports = path_use.path.first().and_then(|name| module.imports.get(name));
    imports.is_some_and(|imports| imports.iter().any(|import| !import.reexport))
}

/// Adds an edge to the graph of the innermost module that contains both `from` and `to`.
fn add(
    graphs: &mut Graphs,
    krate: &Crate,
    from: ModuleId,
    (to, is_item): (ModuleId, bool),
    path_use: &PathUse,
) {
    let (from_ancestry, to_ancestry) = (krate.ancestry(from), krate.ancestry(to));
    // The name of an enclosing module is only a segment of other paths. It does not use an item of
    // that module.
    if !is_item && from_ancestry.contains(&to) {
        return;
    }
    let pairs = from_ancestry.iter().zip(&to_ancestry);
    let shared = pairs.take_while(|(a, b)| a == b).count();
    // A module of `main.rs` and a module of the library have no common ancestor. The edge therefore
    // belongs to the top level.
    let depth = shared.max(1);
    let node = |ancestry: &[ModuleId]| match ancestry.get(depth) {
        Some(&child) => Node::Child(krate[child].name.clone()),
        None => Node::Own,
    };
    let (from_node, to_node) = (node(&from_ancestry), node(&to_ancestry));
    let occurrence = Occurrence { at: path_use.at.clone(), path: path_use.path.join("::") };
    if depth > 1 {
        if let Some(&parent) = from_ancestry.get(depth - 1) {
            graphs.inner.entry(parent).or_default().add(from_node, to_node, occurrence);
        }
    } else if from_node != Node::Own && (shared > 0 || to_node != Node::Own) {
        // `lib.rs` and `main.rs` are above all layers and may use every module. Modules of `main.rs` may
        // use items that `lib.rs` defines.
        graphs.top_level.add(from_node, to_node, occurrence);
    }
}
