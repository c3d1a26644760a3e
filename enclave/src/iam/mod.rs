//! The subset of the AWS policy language that this service supports. The service parses JSON policies at
//! start-up, and evaluates them for every request without I/O.
//!
//! The parser rejects unknown elements, operators and keys, because an ignored condition would allow more
//! requests. The error contains the position. `docs/policies.md` describes the supported language.
//!
//! This module uses no crate for policies. In 2026, these alternatives were evaluated:
//!
//! - `scratchstack-aspen` 0.3.1 has 34 dependencies, including `regex`. The crate does not apply a `Deny` with
//!   `StringNotEquals` to a request without the key. A negated operator with several values holds if one value
//!   does not match, but in AWS only if no value matches. Values of the wrong type evaluate to false.
//! - `iam-rs` 0.8.0 has 14 dependencies, and evaluates policies as AWS does. But the crate ignores a misspelt
//!   `Condition`, and uses the last of two members with the same name. The crate has no list of known keys, and
//!   reports every error at the end of the enclosing list.
//! - Cedar is another policy language.

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
