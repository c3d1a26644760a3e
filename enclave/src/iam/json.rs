//! JSON of which every value knows where it stands.
//!
//! serde_json reads; what is added is strictness (a member twice is an error) and the place of each
//! value, so that an error can name it: serde_json knows its place while it reads, and what is
//! wrong with a policy is often seen only later.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::fmt::{self, Formatter};
use std::io::{self, Read};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::error::{Fault, Located};

/// Levels of objects and lists; a policy has six.
const MAX_DEPTH: u8 = 16;

/// A value and where it begins, in bytes.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: usize,
    pub(super) value: Json,
}

#[derive(Debug)]
pub(super) enum Json {
    Null,
    Bool(bool),
    /// As it is written in decimal.
    Number(String),
    Text(String),
    List(Vec<Node>),
    /// Each name once.
    Object(Vec<Member>),
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) at: usize,
    pub(super) name: String,
    pub(super) value: Node,
}

impl Node {
    /// Reads one value and the end of the input.
    pub(super) fn parse(input: &[u8]) -> Result<Self, Located> {
        let source = Source { input, consumed: Cell::new(0), fault: RefCell::new(None) };
        let mut deserializer = serde_json::Deserializer::from_reader(Counted(&source));
        let start = Start { source: &source, is_seen: false, depth: 0 };
        let node =
            start.deserialize(&mut deserializer).and_then(|node| deserializer.end().map(|()| node));
        node.map_err(|error| match source.fault.take() {
            Some(fault) => fault,
            None => Located { at: offset(input, &error), fault: Fault::Json(message(&error)) },
        })
    }

    /// Names the kind of value, to tell a person.
    pub(super) fn kind(&self) -> &'static str {
        match self.value {
            Json::Null => "null",
            Json::Bool(_) => "a boolean",
            Json::Number(_) => "a number",
            Json::Text(_) => "a string",
            Json::List(_) => "a list",
            Json::Object(_) => "an object",
        }
    }

    pub(super) fn fault(&self, fault: Fault) -> Located {
        Located { at: self.at, fault }
    }

    fn mismatch(&self, what: &str, expected: &'static str) -> Located {
        self.fault(Fault::Type { what: what.to_owned(), expected, found: self.kind() })
    }

    pub(super) fn object(&self, what: &str) -> Result<&[Member], Located> {
        match &self.value {
            Json::Object(members) => Ok(members),
            _ => Err(self.mismatch(what, "an object")),
        }
    }

    pub(super) fn text(&self, what: &str) -> Result<&str, Located> {
        match &self.value {
            Json::Text(text) => Ok(text),
            _ => Err(self.mismatch(what, "a string")),
        }
    }

    /// A string, number or boolean, as text.
    pub(super) fn scalar(&self, what: &str) -> Result<&str, Located> {
        match &self.value {
            Json::Text(text) | Json::Number(text) => Ok(text),
            Json::Bool(true) => Ok("true"),
            Json::Bool(false) => Ok("false"),
            _ => Err(self.mismatch(what, "a string, number or boolean")),
        }
    }

    /// The values of a list that holds at least one, or this value alone.
    pub(super) fn one_or_more(&self, what: &str) -> Result<&[Self], Located> {
        match &self.value {
            Json::List(nodes) if nodes.is_empty() => {
                Err(self.fault(Fault::Empty { what: what.to_owned() }))
            }
            Json::List(nodes) => Ok(nodes),
            _ => Ok(std::slice::from_ref(self)),
        }
    }
}

impl Member {
    pub(super) fn fault(&self, fault: Fault) -> Located {
        Located { at: self.at, fault }
    }
}

/// Where serde_json stopped: the last byte that it read. It calls the end of a line column 0 of the
/// next one, but what is wrong is on the line that ends.
fn offset(input: &[u8], error: &serde_json::Error) -> usize {
    let line_start: usize = input
        .split_inclusive(|byte| *byte == b'\n')
        .take(error.line().saturating_sub(1))
        .map(<[u8]>::len)
        .sum();
    (line_start + error.column()).saturating_sub(1)
}

/// What serde_json says, without the place.
fn message(error: &serde_json::Error) -> String {
    let message = error.to_string();
    message.rsplit_once(" at line ").map_or(message.as_str(), |(what, _)| what).to_owned()
}

/// What is read, how far, and the fault that ended it.
struct Source<'a> {
    input: &'a [u8],
    consumed: Cell<usize>,
    fault: RefCell<Option<Located>>,
}

struct Counted<'a>(&'a Source<'a>);

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let consumed = self.0.consumed.get();
        let read = self.0.input.get(consumed..).unwrap_or_default().read(buffer)?;
        self.0.consumed.set(consumed + read);
        Ok(read)
    }
}

impl Source<'_> {
    fn fail<E: Error>(&self, at: usize, fault: Fault) -> E {
        *self.fault.borrow_mut() = Some(Located { at, fault });
        E::custom("see the fault")
    }
}

/// A value to be read, of which serde_json has consumed the first byte (`is_seen`) or nothing, not
/// even the white space before it.
#[derive(Clone, Copy)]
struct Start<'a> {
    source: &'a Source<'a>,
    is_seen: bool,
    depth: u8,
}

impl Start<'_> {
    fn offset(&self) -> usize {
        let consumed = self.source.consumed.get();
        if self.is_seen {
            return consumed.saturating_sub(1);
        }
        let rest = self.source.input.get(consumed..).unwrap_or_default();
        consumed + rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
    }
}

impl<'de> DeserializeSeed<'de> for Start<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        let at = self.offset();
        let value = deserializer.deserialize_any(Within { start: self, at })?;
        Ok(Node { at, value })
    }
}

/// The inside of a value.
struct Within<'a> {
    start: Start<'a>,
    at: usize,
}

impl<'a> Within<'a> {
    /// What is one level below.
    fn below<E: Error>(&self, is_seen: bool) -> Result<Start<'a>, E> {
        let Start { source, depth, .. } = self.start;
        if depth == MAX_DEPTH {
            return Err(source.fail(self.at, Fault::TooDeep));
        }
        Ok(Start { source, is_seen, depth: depth + 1 })
    }
}

impl<'de> Visitor<'de> for Within<'_> {
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
        let item = self.below(true)?;
        let mut nodes = Vec::new();
        while let Some(node) = items.next_element_seed(item)? {
            nodes.push(node);
        }
        Ok(Json::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let (name, value) = (self.below(true)?, self.below(false)?);
        let mut members = Vec::new();
        // To compare each with each would take seconds for the largest policy that is read.
        let mut names = HashSet::new();
        while let Some(Node { at, value: Json::Text(name) }) = entries.next_key_seed(name)? {
            if !names.insert(name.clone()) {
                return Err(self.start.source.fail(at, Fault::Duplicate { name }));
            }
            members.push(Member { at, name, value: entries.next_value_seed(value)? });
        }
        Ok(Json::Object(members))
    }
}
