//! Parses JSON into values with their byte offsets.
//!
//! serde_json parses the text. This module adds an error for repeated members, and the offset of each value. The
//! offsets are needed because most errors of a policy are found after parsing, and serde_json reports positions only
//! during parsing.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::fmt::{self, Formatter};
use std::io::{self, Read};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::error::{LocatedError, PolicyErrorKind};

/// Maximum depth of nested objects and lists. A valid policy has at most six levels.
const MAX_DEPTH: u8 = 16;

/// A value with its byte offset.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) offset: usize,
    pub(super) value: Json,
}

#[derive(Debug)]
pub(super) enum Json {
    Null,
    Bool(bool),
    /// A number in decimal.
    Number(String),
    Text(String),
    List(Vec<Node>),
    /// Members with distinct names.
    Object(Vec<Member>),
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) offset: usize,
    pub(super) name: String,
    pub(super) value: Node,
}

impl Node {
    /// Parses one value, which must be the whole input.
    pub(super) fn parse(input: &[u8]) -> Result<Self, LocatedError> {
        let source = JsonSource { input, consumed: Cell::new(0), error: RefCell::new(None) };
        let mut deserializer = serde_json::Deserializer::from_reader(CountingReader(&source));
        let seed = NodeSeed { source: &source, is_first_byte_consumed: false, depth: 0 };
        let node =
            seed.deserialize(&mut deserializer).and_then(|node| deserializer.end().map(|()| node));
        node.map_err(|error| match source.error.take() {
            Some(error) => error,
            None => LocatedError {
                offset: error_offset(input, &error),
                kind: PolicyErrorKind::Json(message(&error)),
            },
        })
    }

    /// Returns the name of the value's type, for messages.
    pub(super) fn type_name(&self) -> &'static str {
        match self.value {
            Json::Null => "null",
            Json::Bool(_) => "a boolean",
            Json::Number(_) => "a number",
            Json::Text(_) => "a string",
            Json::List(_) => "a list",
            Json::Object(_) => "an object",
        }
    }

    pub(super) fn error(&self, kind: PolicyErrorKind) -> LocatedError {
        LocatedError { offset: self.offset, kind }
    }

    fn type_error(&self, what: &str, expected: &'static str) -> LocatedError {
        self.error(PolicyErrorKind::Type {
            what: what.to_owned(),
            expected,
            found: self.type_name(),
        })
    }

    pub(super) fn object(&self, what: &str) -> Result<&[Member], LocatedError> {
        match &self.value {
            Json::Object(members) => Ok(members),
            _ => Err(self.type_error(what, "an object")),
        }
    }

    pub(super) fn text(&self, what: &str) -> Result<&str, LocatedError> {
        match &self.value {
            Json::Text(text) => Ok(text),
            _ => Err(self.type_error(what, "a string")),
        }
    }

    /// Returns a string, number or boolean as text.
    pub(super) fn scalar(&self, what: &str) -> Result<&str, LocatedError> {
        match &self.value {
            Json::Text(text) | Json::Number(text) => Ok(text),
            Json::Bool(true) => Ok("true"),
            Json::Bool(false) => Ok("false"),
            _ => Err(self.type_error(what, "a string, number or boolean")),
        }
    }

    /// Returns the values of a non-empty list. For a value that is not a list, returns this value.
    pub(super) fn one_or_more(&self, what: &str) -> Result<&[Self], LocatedError> {
        match &self.value {
            Json::List(nodes) if nodes.is_empty() => {
                Err(self.error(PolicyErrorKind::Empty { what: what.to_owned() }))
            }
            Json::List(nodes) => Ok(nodes),
            _ => Ok(std::slice::from_ref(self)),
        }
    }
}

impl Member {
    pub(super) fn error(&self, kind: PolicyErrorKind) -> LocatedError {
        LocatedError { offset: self.offset, kind }
    }
}

/// Returns the offset of the last byte that serde_json read. For an error at a newline, serde_json reports
/// column 0 of the next line. This function returns the offset of the newline itself.
fn error_offset(input: &[u8], error: &serde_json::Error) -> usize {
    let line_start: usize = input
        .split_inclusive(|byte| *byte == b'\n')
        .take(error.line().saturating_sub(1))
        .map(<[u8]>::len)
        .sum();
    (line_start + error.column()).saturating_sub(1)
}

/// Returns the message of serde_json without its position.
fn message(error: &serde_json::Error) -> String {
    let message = error.to_string();
    message.rsplit_once(" at line ").map_or(message.as_str(), |(what, _)| what).to_owned()
}

/// The input, the number of bytes that serde_json has consumed, and the error of this module that stopped serde_json.
struct JsonSource<'a> {
    input: &'a [u8],
    consumed: Cell<usize>,
    error: RefCell<Option<LocatedError>>,
}

struct CountingReader<'a>(&'a JsonSource<'a>);

impl Read for CountingReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let consumed = self.0.consumed.get();
        let read = self.0.input.get(consumed..).unwrap_or_default().read(buffer)?;
        self.0.consumed.set(consumed + read);
        Ok(read)
    }
}

impl JsonSource<'_> {
    fn fail<E: Error>(&self, offset: usize, kind: PolicyErrorKind) -> E {
        *self.error.borrow_mut() = Some(LocatedError { offset, kind });
        // `Node::parse` discards this text, and returns `JsonSource::error` instead.
        E::custom("replaced by JsonSource::error")
    }
}

/// A seed for the next value. If `is_first_byte_consumed`, serde_json has consumed the first byte of the value.
/// Otherwise, serde_json has consumed no byte of the value, and no white space before the value.
#[derive(Clone, Copy)]
struct NodeSeed<'a> {
    source: &'a JsonSource<'a>,
    is_first_byte_consumed: bool,
    depth: u8,
}

impl NodeSeed<'_> {
    fn offset(&self) -> usize {
        let consumed = self.source.consumed.get();
        if self.is_first_byte_consumed {
            return consumed.saturating_sub(1);
        }
        let rest = self.source.input.get(consumed..).unwrap_or_default();
        consumed + rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
    }
}

impl<'de> DeserializeSeed<'de> for NodeSeed<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        let offset = self.offset();
        let value = deserializer.deserialize_any(ValueVisitor { seed: self, offset })?;
        Ok(Node { offset, value })
    }
}

/// A visitor of the value that begins at `offset`.
struct ValueVisitor<'a> {
    seed: NodeSeed<'a>,
    offset: usize,
}

impl<'a> ValueVisitor<'a> {
    /// Returns the seed of a value one level deeper.
    fn child_seed<E: Error>(&self, is_first_byte_consumed: bool) -> Result<NodeSeed<'a>, E> {
        let NodeSeed { source, depth, .. } = self.seed;
        if depth == MAX_DEPTH {
            return Err(source.fail(self.offset, PolicyErrorKind::TooDeep));
        }
        Ok(NodeSeed { source, is_first_byte_consumed, depth: depth + 1 })
    }
}

impl<'de> Visitor<'de> for ValueVisitor<'_> {
    type Value = Json;

    fn expecting(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let item = self.child_seed(true)?;
        let mut nodes = Vec::new();
        while let Some(node) = items.next_element_seed(item)? {
            nodes.push(node);
        }
        Ok(Json::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let (name, value) = (self.child_seed(true)?, self.child_seed(false)?);
        let mut members = Vec::new();
        // A comparison of each pair of names would take seconds for the largest accepted policy.
        let mut names = HashSet::new();
        while let Some(Node { offset, value: Json::Text(name) }) = entries.next_key_seed(name)? {
            if !names.insert(name.clone()) {
                return Err(self.seed.source.fail(offset, PolicyErrorKind::Duplicate { name }));
            }
            members.push(Member { offset, name, value: entries.next_value_seed(value)? });
        }
        Ok(Json::Object(members))
    }
}
