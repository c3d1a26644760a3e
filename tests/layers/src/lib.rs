//! Checks the module structure of every crate of a workspace.
//!
//! A dependency edge goes from the module that contains a path to the module that defines its target.
//! Rules 1 to 3 apply to edges. Rule 4 applies to code that could hide an edge.
//!
//! 1. An edge between top-level modules goes to the same layer or to a lower layer. `table` lists the
//!    layers.
//! 2. Top-level modules form no cycle.
//! 3. The children of a module and the module's own file form no cycle.
//! 4. No code has one of the forms of [`Unreadable`]: `extern crate self`, `include!`, a module inside a
//!    function, or a macro of the crate root with a path into the crate. Each error names the
//!    alternative.
//!
//! `read` parses the files and `collect` finds the paths. `resolve` follows re-exports,
//! `dependency_graphs` builds the graphs, and `check` applies the rules.
//!
//! # Limitations
//! - Names are resolved without types. Method calls and trait implementations cause no edges.
//! - A `use` inside a function counts as an import of the whole module.
//! - Code that a macro generates is not read. Among the tokens that are passed to a macro, only paths,
//!   nested `use` trees and `include!` are read. A path in a `macro_rules!` macro counts in the module
//!   that defines the macro, and not where the macro is used.
//! - In a path with a macro variable, such as `crate::$m::X`, only the segments before the variable
//!   are read.
//! - A raw name, such as `r#two` for the module `two`, is not resolved.
//! - Among the tokens that are passed to a macro, a path with a leading `::` is not read.
//! - The use of a macro without a path (textual scope) causes no edge.
//! - An `include!` that is imported under another name is not recognized.
//! - If `main.rs` renames the library with `extern crate .. as ..`, paths with the new name are not
//!   recognized.
//! - Files under `src/bin`, `tests`, `benches` and `examples` are not read.

mod cfg;
mod check;
mod collect;
mod dependency_graphs;
mod finding;
mod graph;
mod model;
mod read;
mod report;
mod resolve;
mod table;
mod tokens;
mod unreadable;
mod workspace;

pub use check::check;
pub use finding::Finding;
pub use read::ReadError;
pub use report::{CrateReport, Report};
pub use table::{Entry, TABLE};
pub use unreadable::Unreadable;
