//! The table of condition operators.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>

use std::cmp::Ordering;
use std::fmt::{self, Display, Formatter};

use thiserror::Error;

/// The comparison that an operator performs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equals,
    EqualsIgnoreCase,
    Like,
    Null,
    Bool,
    /// A numeric comparison. A numeric comparison never matches, because no supported key is a number.
    Numeric,
    /// A comparison of times. A request matches if the ordering of its value relative to the policy's value is in the
    /// list.
    Date(&'static [Ordering]),
    Address,
}

/// A condition operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operator {
    name: &'static str,
    pub(super) comparison: Comparison,
    pub(super) is_negated: bool,
    pub(super) if_exists: bool,
}

/// The error for an unknown operator.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("unknown condition operator {name:?}{hint}; known are {}", Operator::KNOWN)]
pub struct UnknownOperator {
    /// The name in the policy.
    pub name: String,
    /// A hint in parentheses, or an empty string.
    pub hint: String,
}

const IF_EXISTS: &str = "IfExists";

const LESS: &[Ordering] = &[Ordering::Less];
const AT_MOST: &[Ordering] = &[Ordering::Less, Ordering::Equal];
const EQUAL: &[Ordering] = &[Ordering::Equal];
const AT_LEAST: &[Ordering] = &[Ordering::Greater, Ordering::Equal];
const GREATER: &[Ordering] = &[Ordering::Greater];

impl Operator {
    /// The operators that [`parse`](Self::parse) accepts, for messages.
    pub const KNOWN: &'static str = "StringEquals, StringNotEquals, StringEqualsIgnoreCase, \
        StringNotEqualsIgnoreCase, StringLike, StringNotLike, Bool, IpAddress, NotIpAddress, \
        NumericEquals, NumericNotEquals, NumericLessThan, NumericLessThanEquals, \
        NumericGreaterThan, NumericGreaterThanEquals, DateEquals, DateNotEquals, DateLessThan, \
        DateLessThanEquals, DateGreaterThan, DateGreaterThanEquals, each also with IfExists at \
        its end, and Null";

    const TABLE: [Self; 22] = [
        Self::positive("StringEquals", Comparison::Equals),
        Self::negated("StringNotEquals", Comparison::Equals),
        Self::positive("StringEqualsIgnoreCase", Comparison::EqualsIgnoreCase),
        Self::negated("StringNotEqualsIgnoreCase", Comparison::EqualsIgnoreCase),
        Self::positive("StringLike", Comparison::Like),
        Self::negated("StringNotLike", Comparison::Like),
        Self::positive("Null", Comparison::Null),
        Self::positive("Bool", Comparison::Bool),
        Self::positive("NumericEquals", Comparison::Numeric),
        Self::negated("NumericNotEquals", Comparison::Numeric),
        Self::positive("NumericLessThan", Comparison::Numeric),
        Self::positive("NumericLessThanEquals", Comparison::Numeric),
        Self::positive("NumericGreaterThan", Comparison::Numeric),
        Self::positive("NumericGreaterThanEquals", Comparison::Numeric),
        Self::positive("DateEquals", Comparison::Date(EQUAL)),
        Self::negated("DateNotEquals", Comparison::Date(EQUAL)),
        Self::positive("DateLessThan", Comparison::Date(LESS)),
        Self::positive("DateLessThanEquals", Comparison::Date(AT_MOST)),
        Self::positive("DateGreaterThan", Comparison::Date(GREATER)),
        Self::positive("DateGreaterThanEquals", Comparison::Date(AT_LEAST)),
        Self::positive("IpAddress", Comparison::Address),
        Self::negated("NotIpAddress", Comparison::Address),
    ];

    const fn positive(name: &'static str, comparison: Comparison) -> Self {
        Self { name, comparison, is_negated: false, if_exists: false }
    }

    const fn negated(name: &'static str, comparison: Comparison) -> Self {
        Self { name, comparison, is_negated: true, if_exists: false }
    }

    /// Returns the operator with this name. The case of the name must match.
    ///
    /// # Errors
    /// If there is no operator with this name.
    pub fn parse(name: &str) -> Result<Self, UnknownOperator> {
        Self::find(name, |known, name| known == name).ok_or_else(|| {
            let meant = Self::find(name, |known, name| known.eq_ignore_ascii_case(name));
            let hint = if let Some(operator) = meant {
                format!(" (write {operator})")
            } else if name.starts_with("ForAllValues:") || name.starts_with("ForAnyValue:") {
                " (no key here has several values)".to_owned()
            } else {
                String::new()
            };
            UnknownOperator { name: name.to_owned(), hint }
        })
    }

    fn find(name: &str, equal: impl Fn(&str, &str) -> bool) -> Option<Self> {
        let whole = Self::TABLE.into_iter().find(|operator| equal(operator.name, name));
        whole.or_else(|| {
            let (head, end) = name.split_at_checked(name.len().checked_sub(IF_EXISTS.len())?)?;
            Self::TABLE
                .into_iter()
                .find(|operator| {
                    operator.comparison != Comparison::Null && equal(operator.name, head)
                })
                .filter(|_| equal(IF_EXISTS, end))
                .map(|operator| Self { if_exists: true, ..operator })
        })
    }

    pub(super) const fn compares_text(self) -> bool {
        matches!(
            self.comparison,
            Comparison::Equals | Comparison::EqualsIgnoreCase | Comparison::Like
        )
    }
}

impl Display for Operator {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "{}{}", self.name, if self.if_exists { IF_EXISTS } else { "" })
    }
}
