//! The findings, and the text that shows them.

use std::collections::BTreeSet;
use std::fmt;

/// The result of a check.
#[derive(Debug, Default)]
pub struct Report {
    /// The crates that were checked.
    pub crates: Vec<CrateReport>,
    /// The crates of the table that the workspace does not have.
    pub absent_crates: Vec<String>,
}

/// The result for one crate.
#[derive(Debug)]
pub struct CrateReport {
    /// The folder of the crate, relative to the workspace.
    pub folder: String,
    /// The number of top-level modules.
    pub modules: usize,
    /// The number of layers in the table, absent without an entry.
    pub layers: Option<usize>,
    /// The arrows between top-level modules.
    pub arrows: Vec<ArrowCount>,
    /// The violations of the rules.
    pub findings: Vec<Finding>,
}

/// An arrow between two top-level modules.
#[derive(Debug)]
pub struct ArrowCount {
    /// The module that contains the paths.
    pub from: String,
    /// The module that the paths lead to.
    pub to: String,
    /// The number of paths.
    pub uses: usize,
}

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
    UpwardArrow {
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
    ArrowToRoot {
        /// The file and line of the use.
        at: String,
        /// The module that contains the use.
        from: String,
        /// The path of the item.
        path: String,
    },
    /// Modules use each other.
    Circle(Circle),
}

/// A set of modules, each of which uses each other one directly or through others of the set.
#[derive(Debug)]
pub struct Circle {
    /// The module whose children form the circle, absent for top-level modules.
    pub module: Option<String>,
    /// The modules. `self` is the own file of `module`.
    pub members: Vec<String>,
    /// The arrows between the members.
    pub arrows: Vec<CircleArrow>,
}

/// An arrow of a circle.
#[derive(Debug)]
pub struct CircleArrow {
    /// The module that contains the uses.
    pub from: String,
    /// The module that the uses lead to.
    pub to: String,
    /// The file and line of one use.
    pub at: String,
    /// The names used.
    pub names: BTreeSet<String>,
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
        let upward = self.crates.iter().map(CrateReport::upward_arrows).sum::<usize>();
        let circles = self.crates.iter().map(CrateReport::circles).sum::<usize>();
        let table = self.crates.iter().map(CrateReport::table_errors).sum::<usize>();
        let table = table + self.absent_crates.len();
        format!(
            "layers: {}, {}, {} in the table",
            counted(upward, "upward arrow"),
            counted(circles, "circle"),
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

    /// Returns the number of pairs of modules with an arrow that points upwards.
    #[must_use]
    pub fn upward_arrows(&self) -> usize {
        let pairs = self.findings.iter().filter_map(|finding| match finding {
            Finding::UpwardArrow { from, to, .. } => Some((from, Some(to))),
            Finding::ArrowToRoot { from, .. } => Some((from, None)),
            _ => None,
        });
        pairs.collect::<BTreeSet<_>>().len()
    }

    /// Returns the number of circles, at the top level and inside modules.
    #[must_use]
    pub fn circles(&self) -> usize {
        let is_circle = |finding: &&Finding| matches!(finding, Finding::Circle(_));
        self.findings.iter().filter(is_circle).count()
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
        write!(f, ", {}", counted(self.arrows.len(), "arrow"))?;
        match (self.upward_arrows(), self.layers) {
            (0, Some(_)) => f.write_str(", none points up")?,
            (0, None) => {}
            (1, _) => f.write_str(", 1 points up")?,
            (upward, _) => write!(f, ", {upward} point up")?,
        }
        match self.circles() {
            0 => f.write_str(", no circle"),
            circles => write!(f, ", {}", counted(circles, "circle")),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CrateNotInTable => f.write_str("the crate is not in the table"),
            Self::UnlistedModule(name) => write!(f, "module `{name}` is not in the table"),
            Self::AbsentModule(name) => {
                write!(f, "the table lists module `{name}`, which does not exist")
            }
            Self::ListedTwice(name) => write!(f, "the table lists module `{name}` twice"),
            Self::UpwardArrow { at, from, from_layer, to, to_layer } => write!(
                f,
                "{at}: `{from}` (layer {from_layer}) uses `{to}` (layer {to_layer}): \
                 arrows point downwards only"
            ),
            Self::ArrowToRoot { at, from, path } => write!(
                f,
                "{at}: `{from}` uses `{path}` of the crate root, which is above all layers: \
                 arrows point downwards only"
            ),
            Self::Circle(circle) => circle.fmt(f),
        }
    }
}

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, members) = (self.members.len(), self.members.join(", "));
        match &self.module {
            None => write!(f, "circle of {count} top-level modules: {members}")?,
            Some(module) => write!(f, "circle of {count} inside `{module}`: {members}")?,
        }
        for CircleArrow { from, to, at, names } in &self.arrows {
            let names = names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            write!(f, "\n    {from} -> {to} at {at} ({names})")?;
        }
        Ok(())
    }
}

/// Returns a number with its noun, such as `1 arrow` or `2 arrows`.
fn counted(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
