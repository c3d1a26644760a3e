//! Why a policy is refused at start.

use attestation::PcrFamily;
use thiserror::Error;

use super::condition_key::ConditionKey;
use super::effect::Effect;
use super::operator::{Operator, UnknownOperator};

/// What is wrong with a policy, and where.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{policy}: line {line} column {column}: {kind}")]
pub struct PolicyError {
    /// The policy's name, as it was given.
    pub policy: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters: where what is wrong begins.
    pub column: usize,
    /// What is wrong.
    pub kind: Box<PolicyErrorKind>,
}

/// What is wrong with a policy.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PolicyErrorKind {
    /// Not JSON.
    #[error("not JSON: {0}")]
    Json(String),
    /// Deeper than any policy.
    #[error("objects and lists are nested more than 16 levels deep")]
    TooDeep,
    /// A member twice, of which JSON readers take one or the other.
    #[error("{name:?} occurs twice in one object; merge them, or remove one")]
    Duplicate {
        /// The member.
        name: String,
    },
    /// A value of another type.
    #[error("{what} is {found}; write {expected}")]
    Type {
        /// The element or condition key.
        what: String,
        /// What belongs there.
        expected: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// A list or object without which nothing would be said.
    #[error("{what} is empty; add at least one value, or remove it")]
    Empty {
        /// The element, operator or condition key.
        what: String,
    },
    /// An element that is not of the language.
    #[error("unknown element {name:?}; known are {known}")]
    UnknownElement {
        /// As it is written.
        name: String,
        /// Those that may stand there.
        known: &'static str,
    },
    /// Principal or NotPrincipal.
    #[error(
        "identity-based policies have no {name}; remove it, and attach the policy to the principal"
    )]
    Principal {
        /// Which.
        name: String,
    },
    /// An element that must be there.
    #[error("{object} has no {element}; add {advice}")]
    Missing {
        /// Where.
        object: &'static str,
        /// What.
        element: &'static str,
        /// What to write.
        advice: &'static str,
    },
    /// An element and its negation.
    #[error("a statement has {element} or Not{element}, not both; remove one")]
    BothForms {
        /// The element.
        element: &'static str,
    },
    /// Another value than the element can have.
    #[error("{element} is {found:?}; write {expected}")]
    InvalidValue {
        /// The element.
        element: &'static str,
        /// As it is written.
        found: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// Two statements of one name.
    #[error("two statements have the Sid {sid:?}; use each Sid once")]
    DuplicateSid {
        /// The name.
        sid: String,
    },
    /// An action of no service.
    #[error("{action:?} is not an action; write service:Name, such as kms:GenerateRandom, or *")]
    Action {
        /// As it is written.
        action: String,
    },
    /// A policy variable.
    #[error(
        "policy variables (${{...}}) are not supported; replace the one in {value:?} by its value"
    )]
    Variable {
        /// As it is written.
        value: String,
    },
    /// An operator that is not of the language.
    #[error(transparent)]
    UnknownOperator(#[from] UnknownOperator),
    /// A condition key that requests here never carry.
    #[error("unknown condition key {name:?}; known are {known}", known = ConditionKey::KNOWN)]
    UnknownKey {
        /// As it is written.
        name: String,
    },
    /// One condition key in two spellings.
    #[error("{key} occurs twice under {operator} (the case of keys is ignored); merge them")]
    DuplicateKey {
        /// Which.
        key: ConditionKey,
        /// Under which.
        operator: Operator,
    },
    /// A value that the operator cannot compare.
    #[error("{value:?} under {operator} is not {expected}")]
    Operand {
        /// As it is written.
        value: String,
        /// Under which.
        operator: Operator,
        /// What belongs there.
        expected: &'static str,
    },
    /// A value that no register has, which could only make the condition never hold, or always.
    #[error("{value:?} under {operator} is not a measurement: {digits}")]
    Measurement {
        /// As it is written.
        value: String,
        /// Under which.
        operator: Operator,
        /// How measurements are written under this operator.
        digits: &'static str,
    },
    /// A statement by which whoever measures zero gets in.
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

/// Who measures zeros where nobody should.
fn zeros_reason(key: ConditionKey) -> &'static str {
    match key.register() {
        Some((PcrFamily::NitroTpm, _)) => {
            "which a NitroTPM has only if its firmware measured nothing"
        }
        _ => "which every enclave in debug mode has",
    }
}

/// A fault and where it is, in bytes.
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
