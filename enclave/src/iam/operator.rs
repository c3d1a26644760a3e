//! Condition operators: the table of them.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>

use std::cmp::Ordering;
use std::fmt::{self, Display, Formatter};

use thiserror::Error;

/// How a request's value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    Equals,
    EqualsIgnoreCase,
    Like,
    Null,
    Bool,
    /// No key here is a number, so it never matches one that is there.
    Numeric,
    /// The orderings of the request's value to the policy's that match.
    Date(&'static [Ordering]),
    Address,
}

/// A condition operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operator {
    name: &'static str,
    pub(super) test: Test,
    pub(super) is_negated: bool,
    pub(super) if_exists: bool,
}

/// The error for an operator that is not of the language.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("unknown condition operator {name:?}{hint}; known are {}", Operator::KNOWN)]
pub struct UnknownOperator {
    /// The name, as the policy writes it.
    pub name: String,
    /// The probable operator, after a separator, or nothing.
    pub hint: String,
}

const IF_EXISTS: &str = "IfExists";

const LESS: &[Ordering] = &[Ordering::Less];
const AT_MOST: &[Ordering] = &[Ordering::Less, Ordering::Equal];
const EQUAL: &[Ordering] = &[Ordering::Equal];
const AT_LEAST: &[Ordering] = &[Ordering::Greater, Ordering::Equal];
const GREATER: &[Ordering] = &[Ordering::Greater];

impl Operator {
    /// What [`parse`](Self::parse) takes, to tell a person.
    pub const KNOWN: &'static str = "StringEquals, StringNotEquals, StringEqualsIgnoreCase, \
        StringNotEqualsIgnoreCase, StringLike, StringNotLike, Bool, IpAddress, NotIpAddress, \
        NumericEquals, NumericNotEquals, NumericLessThan, NumericLessThanEquals, \
        NumericGreaterThan, NumericGreaterThanEquals, DateEquals, DateNotEquals, DateLessThan, \
        DateLessThanEquals, DateGreaterThan, DateGreaterThanEquals, each also with IfExists at \
        its end, and Null";

    const TABLE: [Self; 22] = [
        Self::positive("StringEquals", Test::Equals),
        Self::negated("StringNotEquals", Test::Equals),
        Self::positive("StringEqualsIgnoreCase", Test::EqualsIgnoreCase),
        Self::negated("StringNotEqualsIgnoreCase", Test::EqualsIgnoreCase),
        Self::positive("StringLike", Test::Like),
        Self::negated("StringNotLike", Test::Like),
        Self::positive("Null", Test::Null),
        Self::positive("Bool", Test::Bool),
        Self::positive("NumericEquals", Test::Numeric),
        Self::negated("NumericNotEquals", Test::Numeric),
        Self::positive("NumericLessThan", Test::Numeric),
        Self::positive("NumericLessThanEquals", Test::Numeric),
        Self::positive("NumericGreaterThan", Test::Numeric),
        Self::positive("NumericGreaterThanEquals", Test::Numeric),
        Self::positive("DateEquals", Test::Date(EQUAL)),
        Self::negated("DateNotEquals", Test::Date(EQUAL)),
        Self::positive("DateLessThan", Test::Date(LESS)),
        Self::positive("DateLessThanEquals", Test::Date(AT_MOST)),
        Self::positive("DateGreaterThan", Test::Date(GREATER)),
        Self::positive("DateGreaterThanEquals", Test::Date(AT_LEAST)),
        Self::positive("IpAddress", Test::Address),
        Self::negated("NotIpAddress", Test::Address),
    ];

    const fn positive(name: &'static str, test: Test) -> Self {
        Self { name, test, is_negated: false, if_exists: false }
    }

    const fn negated(name: &'static str, test: Test) -> Self {
        Self { name, test, is_negated: true, if_exists: false }
    }

    /// Returns the operator with this name, in AWS's case.
    ///
    /// # Errors
    /// If there is none.
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

    fn find(name: &str, same: impl Fn(&str, &str) -> bool) -> Option<Self> {
        let whole = Self::TABLE.into_iter().find(|operator| same(operator.name, name));
        whole.or_else(|| {
            let (head, end) = name.split_at_checked(name.len().checked_sub(IF_EXISTS.len())?)?;
            Self::TABLE
                .into_iter()
                .find(|operator| operator.test != Test::Null && same(operator.name, head))
                .filter(|_| same(IF_EXISTS, end))
                .map(|operator| Self { if_exists: true, ..operator })
        })
    }

    pub(super) const fn compares_text(self) -> bool {
        matches!(self.test, Test::Equals | Test::EqualsIgnoreCase | Test::Like)
    }
}

impl Display for Operator {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "{}{}", self.name, if self.if_exists { IF_EXISTS } else { "" })
    }
}
