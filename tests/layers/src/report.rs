//! The result of a check, and its summary lines.

use std::collections::BTreeSet;
use std::fmt;

use crate::finding::Finding;

/// The result of a check.
#[derive(Debug, Default)]
pub struct Report {
    /// The crates that were checked.
    pub crates: Vec<CrateReport>,
    /// The folders in the table that are not crates of the workspace.
    pub absent_crates: Vec<String>,
}

/// The result for one crate.
#[derive(Debug)]
pub struct CrateReport {
    /// The folder of the crate, relative to the workspace.
    pub folder: String,
    /// The number of top-level modules.
    pub modules: usize,
    /// The number of layers in the table, or `None` if the table has no entry for the crate.
    pub layers: Option<usize>,
    /// The edges between top-level modules.
    pub edges: Vec<EdgeCount>,
    /// The violations of the rules.
    pub findings: Vec<Finding>,
}

/// An edge between two top-level modules.
#[derive(Debug)]
pub struct EdgeCount {
    /// The module that contains the paths of this edge.
    pub from: String,
    /// The module that the paths resolve to.
    pub to: String,
    /// The number of paths.
    pub uses: usize,
}

impl Report {
    /// Returns true if every crate obeys the rules.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.absent_crates.is_empty() && self.crates.iter().all(CrateReport::is_clean)
    }

    /// Returns one line that counts the findings of all crates.
    #[must_use]
    pub fn summary(&self) -> String {
        let upward = self.crates.iter().map(CrateReport::upward_dependencies).sum::<usize>();
        let cycles = self.crates.iter().map(CrateReport::cycles).sum::<usize>();
        let unreadable = self.crates.iter().map(CrateReport::unreadable_places).sum::<usize>();
        let table = self.crates.iter().map(CrateReport::table_errors).sum::<usize>();
        let table = table + self.absent_crates.len();
        format!(
            "layers: {}, {}, {}, {} in the table",
            counted(upward, "upward edge"),
            counted(cycles, "cycle"),
            counted(unreadable, "unreadable place"),
            counted(table, "error")
        )
    }
}

impl CrateReport {
    /// Returns true if the crate obeys the rules.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// Returns the number of pairs of modules with an edge to a higher layer.
    #[must_use]
    pub fn upward_dependencies(&self) -> usize {
        let pairs = self.findings.iter().filter_map(|finding| match finding {
            Finding::UpwardDependency { from, to, .. } => Some((from, Some(to))),
            Finding::DependencyOnRoot { from, .. } => Some((from, None)),
            _ => None,
        });
        pairs.collect::<BTreeSet<_>>().len()
    }

    /// Returns the number of cycles, both at the top level and inside modules.
    #[must_use]
    pub fn cycles(&self) -> usize {
        let is_cycle = |finding: &&Finding| matches!(finding, Finding::Cycle(_));
        self.findings.iter().filter(is_cycle).count()
    }

    /// Returns the number of places with code that could hide a path.
    #[must_use]
    pub fn unreadable_places(&self) -> usize {
        let is_unreadable = |finding: &&Finding| matches!(finding, Finding::Unreadable { .. });
        self.findings.iter().filter(is_unreadable).count()
    }

    fn table_errors(&self) -> usize {
        let is_of_table = |finding: &&Finding| {
            matches!(
                finding,
                Finding::CrateNotInTable
                    | Finding::UnlistedModule(_)
                    | Finding::AbsentModule(_)
                    | Finding::ListedTwice(_)
            )
        };
        self.findings.iter().filter(is_of_table).count()
    }
}

impl fmt::Display for CrateReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.folder, counted(self.modules, "module"))?;
        if let Some(layers) = self.layers {
            write!(f, " in {}", counted(layers, "layer"))?;
        }
        write!(f, ", {}", counted(self.edges.len(), "edge"))?;
        match (self.upward_dependencies(), self.layers) {
            (0, Some(_)) => f.write_str(", none upward")?,
            (0, None) => {}
            (1, _) => f.write_str(", 1 upward")?,
            (upward, _) => write!(f, ", {upward} upward")?,
        }
        match self.cycles() {
            0 => f.write_str(", no cycle")?,
            cycles => write!(f, ", {}", counted(cycles, "cycle"))?,
        }
        match self.unreadable_places() {
            0 => Ok(()),
            places => write!(f, ", {}", counted(places, "unreadable place")),
        }
    }
}

/// Returns a number with its noun, such as `1 edge` or `2 edges`.
fn counted(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
