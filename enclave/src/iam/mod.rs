//! The subset of the AWS policy language that this service supports. JSON policies are parsed at start-up and
//! evaluated for every request without I/O.
//!
//! Unknown elements, operators and keys are rejected at start-up with their position, because an ignored
//! condition would allow more requests. `docs/policies.md` describes the supported language.
//!
//! Why not a crate (evaluated in 2026):
//!
//! - `scratchstack-aspen` 0.3.1 (34 dependencies, including `regex`) does not apply a `Deny` with
//!   `StringNotEquals` to a request without the key. It evaluates several values under a negated operator as
//!   "not all" instead of "none". Values of the wrong type evaluate to false.
//! - `iam-rs` 0.8.0 (14 dependencies) evaluates as AWS does. But it ignores a misspelt `Condition`, uses the
//!   last of two members with the same name, has no list of known keys, and reports every error at the end of
//!   the enclosing list.
//! - Cedar is another language.

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

/// A parsed policy.
#[derive(Debug)]
pub struct Policy {
    name: String,
    statements: Vec<Statement>,
}

impl Policy {
    /// Returns the name that was passed to [`parse`](Self::parse).
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
