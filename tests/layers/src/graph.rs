//! A dependency graph of modules, and its cycles.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::model::Location;

/// The dependency edges between the children of one module and the module's own file.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    edges: BTreeMap<(Node, Node), Vec<Occurrence>>,
}

/// A node of a graph.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Node {
    /// The items in the own file of the module.
    Own,
    /// A child module and all modules inside the child.
    Child(String),
}

/// A path that causes an edge.
#[derive(Debug, Clone)]
pub(crate) struct Occurrence {
    /// The line that contains the path.
    pub(crate) at: Location,
    /// The path from the source. For a nested `use`, this is the whole path of one branch.
    pub(crate) path: String,
}

impl Occurrence {
    /// Returns the name of the item, without a variant or an associated function. The name is the
    /// first segment that starts with a capital letter, or the last segment if no segment does.
    pub(crate) fn name(&self) -> &str {
        let is_type = |segment: &&str| segment.starts_with(char::is_uppercase);
        let last = || self.path.rsplit("::").next();
        self.path.split("::").find(is_type).or_else(last).unwrap_or_default()
    }
}

impl Graph {
    /// Adds a use of `to` by `from`. Adds no edge if both are the same node.
    pub(crate) fn add(&mut self, from: Node, to: Node, occurrence: Occurrence) {
        if from != to {
            self.edges.entry((from, to)).or_default().push(occurrence);
        }
    }

    /// Iterates over the edges. Each edge has a list of its occurrences.
    pub(crate) fn edges(&self) -> impl Iterator<Item = (&Node, &Node, &[Occurrence])> {
        self.edges.iter().map(|((from, to), occurrences)| (from, to, occurrences.as_slice()))
    }

    /// Returns the strongly connected components with more than one node.
    pub(crate) fn cycles(&self) -> Vec<BTreeSet<&Node>> {
        let nodes = self.edges.keys().map(|(from, _)| from).collect::<BTreeSet<_>>();
        let reachable =
            nodes.iter().map(|&node| (node, self.reachable(node))).collect::<BTreeMap<_, _>>();
        let reaches = |a: &Node, b: &Node| reachable.get(a).is_some_and(|found| found.contains(b));
        let mut cycles = BTreeSet::new();
        for &node in nodes.iter().filter(|node| reaches(node, node)) {
            let cycle = nodes.iter().filter(|other| reaches(node, other) && reaches(other, node));
            cycles.insert(cycle.copied().collect::<BTreeSet<_>>());
        }
        cycles.into_iter().collect()
    }

    /// Returns the nodes that a non-empty path of edges from `start` reaches.
    fn reachable<'a>(&'a self, start: &Node) -> BTreeSet<&'a Node> {
        let mut found = BTreeSet::new();
        let mut pending = vec![start];
        while let Some(node) = pending.pop() {
            for (from, to) in self.edges.keys() {
                if from == node && found.insert(to) {
                    pending.push(to);
                }
            }
        }
        found
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own => f.write_str("self"),
            Self::Child(name) => f.write_str(name),
        }
    }
}
