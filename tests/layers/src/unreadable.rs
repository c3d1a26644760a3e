//! Constructs that could hide a path from the checker. The rules therefore forbid them.

use std::fmt;

/// A construct that the checker does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// `extern crate self`, which gives the crate another name.
    ExternCrateSelf,
    /// `include!`, which adds code from a file.
    Include,
    /// A module in the body of a function.
    ModuleInFunction,
    /// A macro of the crate root that contains a path into the crate. Every module can use such a
    /// macro, so the path would count for the wrong module.
    PathInRootMacro,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ExternCrateSelf => {
                "unreadable `extern crate self`: start paths with `crate` instead"
            }
            Self::Include => "unreadable `include!`: declare the file with `mod` instead",
            Self::ModuleInFunction => {
                "unreadable module inside a function: declare it outside the function instead"
            }
            Self::PathInRootMacro => {
                "unreadable path in a macro of the crate root: define the macro in a module instead"
            }
        })
    }
}
