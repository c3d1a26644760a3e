//! A strict JSON reader for request bodies.
//!
//! A duplicate member at any depth is an error, and numbers are not converted. Only the values that
//! operations need are stored.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use thiserror::Error;

/// Maximum number of an object's members. Requests have fewer than a tenth of this number.
const MAX_MEMBERS: usize = 64;
/// Number of object levels that are stored: the request, and the objects directly in it.
const MAX_KEPT_DEPTH: usize = 2;

/// A reason why a body is not JSON with the operation's members.
#[derive(Debug, Error)]
pub enum JsonError {
    /// The body is not JSON, or has a duplicate member.
    #[error("{0}")]
    Syntax(#[from] serde_json::Error),
    /// A value is a structure or a list, but the member has another type.
    #[error("{found} found where not expected")]
    Structure {
        /// The kind of the value.
        found: TokenKind,
    },
    /// A value is a scalar of a wrong type.
    #[error("{found} can not be converted to {expected}")]
    Scalar {
        /// The kind of the value.
        found: TokenKind,
        /// The type of the member.
        expected: &'static str,
    },
    /// A blob is not base64.
    #[error("{member} is not base64 (standard alphabet, padded, without white space)")]
    Base64 {
        /// The member's path.
        member: &'static str,
    },
}

/// The kind of a JSON value. Its text form is the one of KMS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A list.
    List,
    /// An object.
    Structure,
    /// A body that is `null`, not an object.
    Null,
    /// The value `true`.
    True,
    /// The value `false`.
    False,
    /// A number without fraction and exponent that fits 64 bits.
    Number,
    /// Any other number.
    Decimal,
    /// A string.
    String,
}

impl fmt::Display for TokenKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::List => "Start of list",
            Self::Structure => "Start of structure or map",
            Self::Null => "NULL_VALUE",
            Self::True => "TRUE_VALUE",
            Self::False => "FALSE_VALUE",
            Self::Number => "NUMBER_VALUE",
            Self::Decimal => "DECIMAL_VALUE",
            Self::String => "STRING_VALUE",
        })
    }
}

/// A JSON value. The content of lists, and of objects below the stored levels, is discarded.
#[derive(Debug)]
pub(super) enum Json<'a> {
    Null,
    Bool(bool),
    Integer(i128),
    Decimal,
    String(Cow<'a, str>),
    List,
    Object(Object<'a>),
}

/// The members of an object, with distinct names.
#[derive(Debug, Default)]
pub(super) struct Object<'a> {
    members: Vec<(Cow<'a, str>, Json<'a>)>,
}

impl<'a> Object<'a> {
    /// Parses a body, which must be one object.
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, JsonError> {
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        let value = ValueAtDepth(0).deserialize(&mut deserializer)?;
        deserializer.end()?;
        value.into_object()
    }

    /// Removes and returns a member. Null counts as absent.
    pub(super) fn take(&mut self, name: &str) -> Option<Json<'a>> {
        let index = self.members.iter().position(|(member, _)| member == name)?;
        match self.members.swap_remove(index).1 {
            Json::Null => None,
            value => Some(value),
        }
    }
}

impl<'a> Json<'a> {
    fn kind(&self) -> TokenKind {
        match self {
            Self::Bool(true) => TokenKind::True,
            Self::Bool(false) => TokenKind::False,
            Self::Null => TokenKind::Null,
            Self::Integer(_) => TokenKind::Number,
            Self::Decimal => TokenKind::Decimal,
            Self::String(_) => TokenKind::String,
            Self::List => TokenKind::List,
            Self::Object(_) => TokenKind::Structure,
        }
    }

    fn mismatch(&self, expected: &'static str) -> JsonError {
        match self.kind() {
            found @ (TokenKind::List | TokenKind::Structure) => JsonError::Structure { found },
            found => JsonError::Scalar { found, expected },
        }
    }

    pub(super) fn into_object(self) -> Result<Object<'a>, JsonError> {
        match self {
            Self::Object(object) => Ok(object),
            other => Err(other.mismatch("a structure")),
        }
    }

    pub(super) fn into_integer(self) -> Result<i128, JsonError> {
        match self {
            Self::Integer(value) => Ok(value),
            other => Err(other.mismatch("an Integer")),
        }
    }

    pub(super) fn into_string(self) -> Result<Cow<'a, str>, JsonError> {
        match self {
            Self::String(value) => Ok(value),
            other => Err(other.mismatch("a String")),
        }
    }
}

/// A deserializer of a value at this depth of objects and lists.
#[derive(Clone, Copy)]
struct ValueAtDepth(usize);

impl<'de> DeserializeSeed<'de> for ValueAtDepth {
    type Value = Json<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueAtDepth {
    type Value = Json<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json<'de>, E> {
        Ok(Json::Integer(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json<'de>, E> {
        Ok(Json::Integer(value.into()))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Json<'de>, E> {
        Ok(Json::Decimal)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Json<'de>, E> {
        Ok(Json::String(Cow::Owned(value.to_owned())))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Json<'de>, E> {
        Ok(Json::String(Cow::Borrowed(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json<'de>, A::Error> {
        while items.next_element_seed(Self(MAX_KEPT_DEPTH))?.is_some() {}
        Ok(Json::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json<'de>, A::Error> {
        let mut object = Object::default();
        while let Some(name) = entries.next_key_seed(MemberName)? {
            if object.members.iter().any(|(member, _)| *member == name) {
                return Err(A::Error::custom("a member occurs twice"));
            }
            if object.members.len() == MAX_MEMBERS {
                return Err(A::Error::custom("an object has more than 64 members"));
            }
            let value = entries.next_value_seed(Self(self.0 + 1))?;
            object.members.push((name, if self.0 < MAX_KEPT_DEPTH { value } else { Json::Null }));
        }
        Ok(Json::Object(if self.0 < MAX_KEPT_DEPTH { object } else { Object::default() }))
    }
}

/// A deserializer of a member's name, which is borrowed if it contains no escapes.
struct MemberName;

impl<'de> DeserializeSeed<'de> for MemberName {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for MemberName {
    type Value = Cow<'de, str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a member's name")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(value.to_owned()))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(value))
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
