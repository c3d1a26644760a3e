//! Checks the module structure of every crate of a workspace.
//!
//! An arrow leads from the module that writes a path to the module that defines its target. Three
//! rules hold for arrows:
//!
//! 1. Between top-level modules they point to the same layer or to a lower one, as the table says.
//! 2. Top-level modules form no circle.
//! 3. The children of a module form no circle, with each other or with the module's own file.
//!
//! `read` parses the files and `collect` finds the paths. `resolve` follows re-exports, `arrows`
//! builds the graphs, and `check` applies the rules.
//!
//! # Limitations
//! - Names are resolved without types. Method calls and trait implementations are no arrows.
//! - A `use` inside a function counts as an import of the whole module, and a module inside a
//!   function is not read.
//! - Code that a macro generates is not read. Of the tokens given to a macro, paths are read, but
//!   nested use trees are not.
//! - A macro that is used by textual scope, without a path, is no arrow.
//! - Files under `src/bin`, `tests`, `benches` and `examples` are not read.

mod arrows;
mod cfg;
mod check;
mod collect;
mod graph;
mod model;
mod read;
mod report;
mod resolve;
mod table;
mod tokens;
mod workspace;

pub use check::check;
pub use read::ReadError;
pub use report::{CrateReport, Finding, Report};
pub use table::{Entry, TABLE};
