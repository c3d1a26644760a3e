//! The errors for policies that are rejected at start-up.

use attestation::PcrFamily;
use thiserror::Error;

use super::condition_key::ConditionKey;
use super::effect::Effect;
use super::operator::{Operator, UnknownOperator};

/// An error in a policy, with its position.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{policy}: line {line} column {column}: {kind}")]
pub struct PolicyError {
    /// The name that was passed to the parser, such as a file name.
    pub policy: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The character in the line where the error begins, counted from 1.
    pub column: usize,
    /// The kind of the error.
    pub kind: Box<PolicyErrorKind>,
}

/// The kind of an error in a policy.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PolicyErrorKind {
    /// Malformed JSON.
    #[error("not JSON: {0}")]
    Json(String),
    /// Nesting that is deeper than in any valid policy.
    #[error("objects and lists are nested more than 16 levels deep")]
    TooDeep,
    /// A repeated member. Some JSON parsers use the first value, and others use the last.
    #[error("{name:?} occurs twice in one object; merge them, or remove one")]
    Duplicate {
        /// The name of the member.
        name: String,
    },
    /// A value of the wrong type.
    #[error("{what} is {found}; write {expected}")]
    Type {
        /// The element or condition key.
        what: String,
        /// The expected value.
        expected: &'static str,
        /// The type of the value.
        found: &'static str,
    },
    /// An empty list or object in a place that requires at least one value.
    #[error("{what} is empty; add at least one value, or remove it")]
    Empty {
        /// The element, operator or condition key.
        what: String,
    },
    /// An unknown element.
    #[error("unknown element {name:?}; known are {known}")]
    UnknownElement {
        /// The text in the policy.
        name: String,
        /// The elements that are allowed in this place.
        known: &'static str,
    },
    /// A Principal or NotPrincipal element.
    #[error(
        "identity-based policies have no {name}; remove it, and attach the policy to the principal"
    )]
    Principal {
        /// The name of the element.
        name: String,
    },
    /// A missing element.
    #[error("{object} has no {element}; add {advice}")]
    Missing {
        /// The object that lacks the element.
        object: &'static str,
        /// The name of the element.
        element: &'static str,
        /// The text to add.
        advice: &'static str,
    },
    /// A statement with an element and its negation, such as Action and NotAction.
    #[error("a statement has {element} or Not{element}, not both; remove one")]
    BothForms {
        /// The element.
        element: &'static str,
    },
    /// A value that the element cannot have.
    #[error("{element} is {found:?}; write {expected}")]
    InvalidValue {
        /// The element.
        element: &'static str,
        /// The text in the policy.
        found: String,
        /// The expected value.
        expected: &'static str,
    },
    /// Two statements with the same Sid.
    #[error("two statements have the Sid {sid:?}; use each Sid once")]
    DuplicateSid {
        /// The Sid.
        sid: String,
    },
    /// An action without a service prefix.
    #[error("{action:?} is not an action; write service:Name, such as kms:GenerateRandom, or *")]
    Action {
        /// The text in the policy.
        action: String,
    },
    /// A policy variable, which is not supported.
    #[error(
        "policy variables (${{...}}) are not supported; replace the one in {value:?} by its value"
    )]
    Variable {
        /// The text in the policy.
        value: String,
    },
    /// An unknown condition operator.
    #[error(transparent)]
    UnknownOperator(#[from] UnknownOperator),
    /// A condition key that no request to this service has.
    #[error("unknown condition key {name:?}; known are {known}", known = ConditionKey::KNOWN)]
    UnknownKey {
        /// The text in the policy.
        name: String,
    },
    /// The same condition key in two spellings.
    #[error("{key} occurs twice under {operator} (the case of keys is ignored); merge them")]
    DuplicateKey {
        /// The condition key.
        key: ConditionKey,
        /// The condition operator.
        operator: Operator,
    },
    /// A value that the operator cannot compare.
    #[error("{value:?} under {operator} is not {expected}")]
    Operand {
        /// The text in the policy.
        value: String,
        /// The condition operator.
        operator: Operator,
        /// The expected value.
        expected: &'static str,
    },
    /// A value that no register can have. The condition would never hold, or always.
    #[error("{value:?} under {operator} is not a measurement: {digits}")]
    Measurement {
        /// The text in the policy.
        value: String,
        /// The condition operator.
        operator: Operator,
        /// The digits of a measurement under this operator.
        digits: &'static str,
    },
    /// A statement that would allow a measurement of all zeros.
    #[error(
        "{effect} with {operator} would allow a {key} of all zeros, {}; remove the value, or \
         reject it with Deny and a positive operator",
        zeros_reason(*key)
    )]
    AllowsAllZeros {
        /// The statement's effect.
        effect: Effect,
        /// The condition's operator.
        operator: Operator,
        /// The condition's key.
        key: ConditionKey,
    },
}

/// Returns the reason why a policy must not allow zeros in this register.
fn zeros_reason(key: ConditionKey) -> &'static str {
    match key.register() {
        Some((PcrFamily::NitroTpm, _)) => {
            "which a NitroTPM has only if its firmware measured nothing"
        }
        _ => "which every enclave in debug mode has",
    }
}

/// An error with its byte offset in the policy.
#[derive(Debug)]
pub(super) struct LocatedError {
    pub(super) offset: usize,
    pub(super) kind: PolicyErrorKind,
}

impl LocatedError {
    pub(super) fn into_policy_error(self, policy: &str, input: &[u8]) -> PolicyError {
        let before = input.get(..self.offset).unwrap_or(input);
        let text = String::from_utf8_lossy(before);
        let line = text.rsplit('\n').next().unwrap_or_default();
        PolicyError {
            policy: policy.to_owned(),
            line: 1 + text.matches('\n').count(),
            column: 1 + line.chars().count(),
            kind: Box::new(self.kind),
        }
    }
}
