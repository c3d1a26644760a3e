//! AWS's policy language, as far as it concerns this service: JSON policies, parsed once at start,
//! evaluated for every request without I/O.
//!
//! What is not understood is refused at start with its place in the file, never skipped: an unknown
//! operator or key that is ignored is a condition less. What is taken, and how it is evaluated:
//! `docs/policies.md`.
//!
//! Why no crate does it, as measured in 2026: `scratchstack-aspen` 0.3.1 (34 dependencies, `regex`
//! among them) lets a request pass a `Deny` with `StringNotEquals` on a key that it does not carry,
//! and takes several values under a negated operator for "not all" in place of "none"; values of no
//! type that the operator has evaluate to false. `iam-rs` 0.8.0 (14 dependencies) evaluates as AWS
//! does, but reads a statement with a misspelt `Condition` as one without, takes the last of two
//! members of one name, knows no list of keys, and places every error at the end of the list that
//! it is in. Cedar is another language.

mod condition;
mod condition_key;
mod context;
mod effect;
mod error;
mod evaluate;
mod glob;
mod json;
mod operand;
mod operator;
mod parse;
mod statement;
mod warning;

pub use self::condition_key::ConditionKey;
pub use self::context::{Context, Measurements, action_name};
pub use self::effect::Effect;
pub use self::error::{PolicyError, PolicyErrorKind};
pub use self::evaluate::{Decision, Explanation, StatementRef, evaluate, explain};
pub use self::operator::{Operator, UnknownOperator};
use self::statement::Statement;

/// A policy that was read.
#[derive(Debug)]
pub struct Policy {
    name: String,
    statements: Vec<Statement>,
}

impl Policy {
    /// Its name, as it was given.
    pub fn name(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
mod all_zero_tests;
#[cfg(test)]
mod error_tests;
#[cfg(test)]
mod evaluation_tests;
#[cfg(test)]
mod warning_tests;
