//! JSON in ASCII: whatever a client sent, no terminal and no reader of lines sees a control
//! character of it.
//!
//! It is written by hand, because a record is some thirty members of which few are anything else than
//! plain text: to serialise them one by one took longer than to verify that there is nothing to escape.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

/// An object in the making, at the end of a line.
pub(super) struct Object<'a> {
    line: &'a mut Vec<u8>,
    /// Whether no member is there yet.
    is_empty: bool,
}

/// A line that holds one object, with its line feed.
pub(super) fn line(
    line: &mut Vec<u8>,
    members: impl FnOnce(&mut Object<'_>) -> io::Result<()>,
) -> io::Result<()> {
    object(line, members)?;
    line.push(b'\n');
    Ok(())
}

fn object(
    line: &mut Vec<u8>,
    members: impl FnOnce(&mut Object<'_>) -> io::Result<()>,
) -> io::Result<()> {
    line.push(b'{');
    members(&mut Object { line, is_empty: true })?;
    line.push(b'}');
    Ok(())
}

impl Object<'_> {
    /// Members that are always the same, as JSON without the braces.
    pub(super) fn constant(&mut self, members: &'static str) {
        self.comma();
        self.line.extend_from_slice(members.as_bytes());
    }

    /// A text.
    pub(super) fn text(&mut self, name: &str, value: &str) -> io::Result<()> {
        self.name(name);
        text(self.line, value)
    }

    /// A text, or null.
    pub(super) fn nullable(&mut self, name: &str, value: Option<&str>) -> io::Result<()> {
        match value {
            Some(value) => return self.text(name, value),
            None => self.null(name),
        }
        Ok(())
    }

    /// A text, or nothing.
    pub(super) fn optional(&mut self, name: &str, value: Option<&str>) -> io::Result<()> {
        value.map_or(Ok(()), |value| self.text(name, value))
    }

    /// Null.
    pub(super) fn null(&mut self, name: &str) {
        self.name(name);
        self.line.extend_from_slice(b"null");
    }

    /// A number.
    pub(super) fn number(&mut self, name: &str, value: u64) -> io::Result<()> {
        self.name(name);
        write!(self.line, "{value}")
    }

    /// An object.
    pub(super) fn object(
        &mut self,
        name: &str,
        members: impl FnOnce(&mut Object<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        self.name(name);
        object(self.line, members)
    }

    /// Names are ours: there is nothing to escape.
    fn name(&mut self, name: &str) {
        self.comma();
        self.line.push(b'"');
        self.line.extend_from_slice(name.as_bytes());
        self.line.extend_from_slice(b"\":");
    }

    fn comma(&mut self) {
        if !std::mem::replace(&mut self.is_empty, false) {
            self.line.push(b',');
        }
    }
}

fn text(line: &mut Vec<u8>, value: &str) -> io::Result<()> {
    // Nearly every text is plain, which many bytes at a time are looked at for.
    let is_plain = |byte| matches!(byte, b' '..=b'~') & (byte != b'"') & (byte != b'\\');
    if value.bytes().fold(true, |all, byte| all & is_plain(byte)) {
        line.push(b'"');
        line.extend_from_slice(value.as_bytes());
        line.push(b'"');
        return Ok(());
    }
    value.serialize(&mut Serializer::with_formatter(line, Ascii))?;
    Ok(())
}

/// serde_json escapes the control characters below space; this escapes DEL and all that is not
/// ASCII too, among which are the C1 controls that terminals obey.
struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut units = [0; 2];
        for character in fragment.chars() {
            if matches!(character, ' '..='~') {
                let mut byte = [0; 1];
                writer.write_all(character.encode_utf8(&mut byte).as_bytes())?;
                continue;
            }
            for unit in character.encode_utf16(&mut units) {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_line_is_printable_ascii_and_the_same_text() {
        let text = "a\"\\\n\r\t\u{0}\u{1b}[31m\u{7f}\u{9b}31m\u{2028}é\u{1f512}z";
        for text in
            text.char_indices().map(|(at, _)| text.get(at..).unwrap()).chain(["", "plain ~"])
        {
            let mut written = Vec::new();
            line(&mut written, |object| object.text("text", text)).unwrap();
            let (end, printable) = written.split_last().unwrap();
            assert_eq!(*end, b'\n');
            assert!(printable.iter().all(|byte| (b' '..=b'~').contains(byte)), "{written:?}");
            assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), json!({ "text": text }));
        }
    }

    #[test]
    fn an_object_has_its_members_in_order_and_those_that_are_null_or_nothing() {
        let mut written = Vec::new();
        let members = |object: &mut Object<'_>| {
            object.optional("none", None)?;
            object.nullable("null", None)?;
            object.constant(r#""a":true,"b":[]"#);
            object.object("empty", |_| Ok(()))?;
            object.object("inner", |object| object.number("number", 7))?;
            object.nullable("text", Some("t"))?;
            object.optional("other", Some("o"))
        };
        line(&mut written, members).unwrap();
        let expected = r#"{"null":null,"a":true,"b":[],"empty":{},"inner":{"number":7},"text":"t","other":"o"}"#;
        assert_eq!(String::from_utf8(written).unwrap(), [expected, "\n"].concat());
    }
}
