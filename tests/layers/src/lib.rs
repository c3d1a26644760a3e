//! Checks the module structure of every crate of a workspace.
//!
//! A dependency edge goes from the module that contains a path to the module that defines its target.
//! Three rules apply to edges, and a fourth to code that could hide one:
//!
//! 1. Between top-level modules, edges go to the same layer or a lower one. The table lists the layers.
//! 2. Top-level modules form no cycle.
//! 3. The children of a module form no cycle, among themselves or with the module's own file.
//! 4. Code contains no `extern crate self`, no `include!`, no module inside a function, and no macro of
//!    the crate root with a path into the crate. The text of [`Unreadable`] names the alternative.
//!
//! `read` parses the files and `collect` finds the paths. `resolve` follows re-exports,
//! `dependency_graphs` builds the graphs, and `check` applies the rules.
//!
//! # Limitations
//! - Names are resolved without types. Method calls and trait implementations cause no edges.
//! - A `use` inside a function counts as an import of the whole module.
//! - Code that a macro generates is not read. Of the tokens passed to a macro, only paths, nested `use`
//!   trees and `include!` are read. A path counts where it is written, not where a `macro_rules!` macro
//!   expands to it.
//! - A path with a macro variable, such as `crate::$m::X`, is read up to the variable.
//! - A raw name, such as `r#two` for the module `two`, is not resolved. Among the tokens passed to a
//!   macro, a path with a leading `::` is not read.
//! - A macro that is used by textual scope, without a path, causes no edge.
//! - `include!` under another name, and the library under the name of an `extern crate .. as ..` in
//!   `main.rs`, are not recognized.
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
