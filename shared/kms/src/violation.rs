//! Constraints of the API's model, and the text with which KMS says that one is violated.

use std::fmt;

use thiserror::Error;

use super::json::JsonError;

/// Characters of a value that a message repeats at the most.
const MAX_ECHOED_LENGTH: usize = 1024;

/// Why a body is not a request of the operation.
#[derive(Debug, Error)]
pub enum InvalidRequest {
    /// Not JSON of the operation's shape: SerializationException.
    #[error(transparent)]
    Serialization(#[from] JsonError),
    /// Values outside the model's constraints: ValidationException.
    #[error("{}", ViolationList(.0))]
    Violations(Vec<Violation>),
    /// Members of which one alone may be there: ValidationException.
    #[error("{} and {} cannot both be given.", members[0], members[1])]
    MutuallyExclusive {
        /// Their names.
        members: [&'static str; 2],
    },
    /// A member that must be there is not: ValidationException.
    #[error("{member} is required.")]
    MissingMember {
        /// Its name.
        member: &'static str,
    },
}

/// A value outside its constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The value as text; absent for blobs, which KMS does not repeat.
    pub value: Option<String>,
    /// The member's path, in lower camel case as KMS writes it.
    pub member: &'static str,
    /// What the value breaks.
    pub constraint: Constraint,
}

/// A constraint of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constraint {
    /// The least value.
    Min(u32),
    /// The greatest value.
    Max(u32),
    /// The least length: characters of a string, bytes of a blob.
    MinLength(usize),
    /// The greatest length.
    MaxLength(usize),
    /// The only values.
    OneOf(&'static str),
}

impl Constraint {
    /// The bound of `min..=max` that `length` breaks.
    pub(super) fn broken_length(length: usize, min: usize, max: usize) -> Option<Self> {
        if length < min {
            Some(Self::MinLength(min))
        } else if length > max {
            Some(Self::MaxLength(max))
        } else {
            None
        }
    }

    /// The bound of `min..=max` that `value` breaks.
    pub(super) fn broken_range(value: i128, min: u32, max: u32) -> Option<Self> {
        if value < i128::from(min) {
            Some(Self::Min(min))
        } else if value > i128::from(max) {
            Some(Self::Max(max))
        } else {
            None
        }
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Min(min) => {
                write!(formatter, "Member must have value greater than or equal to {min}")
            }
            Self::Max(max) => {
                write!(formatter, "Member must have value less than or equal to {max}")
            }
            Self::MinLength(min) => {
                write!(formatter, "Member must have length greater than or equal to {min}")
            }
            Self::MaxLength(max) => {
                write!(formatter, "Member must have length less than or equal to {max}")
            }
            Self::OneOf(values) => {
                write!(formatter, "Member must satisfy enum value set: [{values}]")
            }
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Value ")?;
        if let Some(value) = &self.value {
            let echo: String = value.chars().take(MAX_ECHOED_LENGTH).collect();
            write!(formatter, "'{echo}' ")?;
        }
        write!(formatter, "at '{}' failed to satisfy constraint: {}", self.member, self.constraint)
    }
}

struct ViolationList<'a>(&'a [Violation]);

impl fmt::Display for ViolationList<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0.len() == 1 { "" } else { "s" };
        write!(formatter, "{} validation error{plural} detected: ", self.0.len())?;
        for (index, violation) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(formatter, "{separator}{violation}")?;
        }
        Ok(())
    }
}

/// Checks the length of an optional string.
pub(super) fn check_string(
    violations: &mut Vec<Violation>,
    member: &'static str,
    value: Option<&str>,
    max: usize,
) {
    let Some(value) = value else { return };
    if let Some(constraint) = Constraint::broken_length(value.chars().count(), 1, max) {
        violations.push(Violation { value: Some(value.to_owned()), member, constraint });
    }
}

/// Checks the range of an optional number.
pub(super) fn check_number(
    violations: &mut Vec<Violation>,
    member: &'static str,
    value: Option<i128>,
    max: u32,
) {
    let Some(value) = value else { return };
    if let Some(constraint) = Constraint::broken_range(value, 1, max) {
        violations.push(Violation { value: Some(value.to_string()), member, constraint });
    }
}

/// Fails if there are any.
pub(super) fn reject_violations(violations: Vec<Violation>) -> Result<(), InvalidRequest> {
    if violations.is_empty() { Ok(()) } else { Err(InvalidRequest::Violations(violations)) }
}
