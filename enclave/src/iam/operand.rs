//! Values in policies.

use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;

use attestation::PCR_LENGTH;
use attestation::time::UnixMillis;
use ipnet::{IpNet, Ipv4Net};

use super::condition_key::{ConditionKey, ContextValue};
use super::error::PolicyErrorKind;
use super::glob;
use super::operator::{Comparison, Operator};

/// A value in a policy, of the type that its operator compares.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operand {
    Text(String),
    Bool(bool),
    Number(f64),
    Time(UnixMillis),
    Network(IpNet),
}

impl Operand {
    pub(super) fn parse(
        operator: Operator,
        key: ConditionKey,
        value: &str,
    ) -> Result<Self, PolicyErrorKind> {
        let (parsed, expected) = match operator.comparison {
            Comparison::Equals | Comparison::EqualsIgnoreCase | Comparison::Like => {
                return text(operator, key, value);
            }
            Comparison::Null | Comparison::Bool => {
                (boolean(value).map(Self::Bool), "true or false")
            }
            Comparison::Numeric => {
                let number = value.parse().ok().filter(|number: &f64| number.is_finite());
                (number.map(Self::Number), "a number")
            }
            Comparison::Date(_) => (
                date(value).map(Self::Time),
                "a date such as 2026-02-03 or 2026-02-03T10:12:02Z, or seconds since 1970",
            ),
            Comparison::Address => (
                network(value).map(Self::Network),
                "an address such as 203.0.113.7 or a block of them such as 2001:db8::/32",
            ),
        };
        parsed.ok_or_else(|| PolicyErrorKind::Operand {
            value: value.to_owned(),
            operator,
            expected,
        })
    }

    /// Returns whether the value `found` in the request matches. An operator matches only values of its own type.
    pub(super) fn matches(&self, comparison: Comparison, found: ContextValue<'_>) -> bool {
        match (comparison, self, found) {
            (Comparison::Equals, Self::Text(wanted), _) => found.with_text(|text| text == wanted),
            (Comparison::EqualsIgnoreCase, Self::Text(wanted), _) => {
                found.with_text(|text| text.eq_ignore_ascii_case(wanted))
            }
            (Comparison::Like, Self::Text(wanted), _) => {
                found.with_text(|text| glob::matches(wanted, text))
            }
            (Comparison::Bool, Self::Bool(wanted), ContextValue::Bool(found)) => *wanted == found,
            (Comparison::Date(orderings), Self::Time(wanted), ContextValue::Time(found)) => {
                orderings.contains(&found.cmp(wanted))
            }
            (Comparison::Address, Self::Network(wanted), ContextValue::Address(found)) => {
                wanted.contains(&found)
            }
            _ => false,
        }
    }

    /// Returns whether the operand matches a measurement of all zeros. Every enclave in debug mode has such
    /// measurements. Returns false for a pattern without a digit 0, because its wildcards match any value.
    pub(super) fn is_all_zero(&self, comparison: Comparison) -> bool {
        let Self::Text(text) = self else { return false };
        let zeros = "0".repeat(2 * PCR_LENGTH);
        match comparison {
            Comparison::Like => text.contains('0') && glob::matches(text, &zeros),
            _ => *text == zeros,
        }
    }
}

impl Display for Operand {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(out, "{text:?}"),
            Self::Bool(value) => write!(out, "{value}"),
            Self::Number(number) => write!(out, "{number}"),
            Self::Time(time) => write!(out, "{time}"),
            Self::Network(network) => write!(out, "{network}"),
        }
    }
}

/// Parses the value of a String operator. Rejects a value that no register can have, such as upper-case digits. With
/// such a value, the condition would never hold, or always.
fn text(operator: Operator, key: ConditionKey, value: &str) -> Result<Operand, PolicyErrorKind> {
    let (is_digit, digits): (fn(u8) -> bool, _) = match operator.comparison {
        Comparison::Equals => {
            (|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'), "96 lower-case hexadecimal digits")
        }
        _ => (|byte| byte.is_ascii_hexdigit(), "96 hexadecimal digits"),
    };
    let is_exact = key.register().is_some() && operator.comparison != Comparison::Like;
    if is_exact && !(value.len() == 2 * PCR_LENGTH && value.bytes().all(is_digit)) {
        return Err(PolicyErrorKind::Measurement { value: value.to_owned(), operator, digits });
    }
    Ok(Operand::Text(value.to_owned()))
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// Parses a date (optionally with minutes or seconds), or a number of seconds since the epoch. Rejects a number
/// of four digits, because it could also be a year.
///
/// AWS refers to <https://www.w3.org/TR/NOTE-datetime> for the format.
fn date(text: &str) -> Option<UnixMillis> {
    const DATE: usize = "2026-02-03".len();
    const MINUTES: usize = "2026-02-03T10:12".len();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().filter(|_| text.len() != 4).map(UnixMillis::from_secs);
    }
    if text.len() == DATE {
        return UnixMillis::from_rfc3339(&format!("{text}T00:00:00Z"));
    }
    let (minutes, rest) = text.split_at_checked(MINUTES)?;
    if rest.starts_with(':') {
        return UnixMillis::from_rfc3339(text);
    }
    UnixMillis::from_rfc3339(&format!("{minutes}:00{rest}"))
}

/// Parses an address or a CIDR block. Converts IPv4-mapped IPv6 to IPv4.
fn network(text: &str) -> Option<IpNet> {
    const MAPPED: u8 = 96;
    let network: IpNet = match text.parse() {
        Ok(network) => network,
        Err(_) => text.parse::<IpAddr>().ok()?.into(),
    };
    let IpNet::V6(v6) = network else { return Some(network) };
    match (v6.addr().to_ipv4_mapped(), v6.prefix_len().checked_sub(MAPPED)) {
        (Some(v4), Some(length)) => Ipv4Net::new(v4, length).ok().map(IpNet::V4),
        _ => Some(network),
    }
}
