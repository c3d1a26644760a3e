//! Constraints of the API's model, and the messages of KMS about violations.

use std::fmt;

use thiserror::Error;

use super::json::JsonError;

/// Maximum number of a value's characters in a message.
const MAX_ECHOED_LENGTH: usize = 1024;

/// A reason why a body is not a valid request of the operation.
#[derive(Debug, Error)]
pub enum InvalidRequest {
    /// The body is not JSON with the operation's members: SerializationException.
    #[error(transparent)]
    Serialization(#[from] JsonError),
    /// Values violate the model's constraints: ValidationException.
    #[error("{}", ViolationList(.0))]
    Violations(Vec<Violation>),
    /// Two members exclude each other: ValidationException.
    #[error("{} and {} cannot both be given.", members[0], members[1])]
    MutuallyExclusive {
        /// The names of the members.
        members: [&'static str; 2],
    },
    /// A required member is missing: ValidationException.
    #[error("{member} is required.")]
    MissingMember {
        /// The path of the member.
        member: &'static str,
    },
}

/// A value that violates a constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The value as text. Absent for blobs, which KMS does not repeat.
    pub value: Option<String>,
    /// The member's path, in lower camel case as KMS writes it.
    pub member: &'static str,
    /// The violated constraint.
    pub constraint: Constraint,
}

/// A constraint of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constraint {
    /// Minimum value.
    Min(u32),
    /// Maximum value.
    Max(u32),
    /// Minimum length: characters of a string, or bytes of a blob.
    MinLength(usize),
    /// Maximum length.
    MaxLength(usize),
    /// The allowed values.
    OneOf(&'static str),
}

impl Constraint {
    /// Returns the bound of `min..=max` that `length` violates.
    pub(super) fn broken_length(length: usize, min: usize, max: usize) -> Option<Self> {
        if length < min {
            Some(Self::MinLength(min))
        } else if length > max {
            Some(Self::MaxLength(max))
        } else {
            None
        }
    }

    /// Returns the bound of `min..=max` that `value` violates.
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

/// Returns an error if there are violations.
pub(super) fn reject_violations(violations: Vec<Violation>) -> Result<(), InvalidRequest> {
    if violations.is_empty() { Ok(()) } else { Err(InvalidRequest::Violations(violations)) }
}
