//! JSON in printable ASCII. Control characters from a client could otherwise reach a terminal or split a line.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

/// Appends `value` as JSON and a line feed to `line`.
pub(super) fn append_line(value: &impl Serialize, line: &mut Vec<u8>) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(&mut *line, Ascii))?;
    line.push(b'\n');
    Ok(())
}

/// A formatter that escapes DEL and all non-ASCII characters. The non-ASCII characters include the C1 control
/// characters, which terminals interpret. serde_json itself escapes the control characters before the space.
struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let is_plain = |byte| matches!(byte, b' '..=b'~');
        // Nearly every text is printable ASCII. The compiler can vectorize this fold. It cannot vectorize a
        // search that stops early.
        if fragment.bytes().fold(true, |all, byte| all & is_plain(byte)) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut units = [0; 2];
        for character in fragment.chars() {
            if matches!(character, ' '..='~') {
                writer.write_all(character.encode_utf8(&mut [0; 4]).as_bytes())?;
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
    fn line_is_printable_ascii_and_preserves_the_text() {
        let text = "a\"\\\n\r\t\u{0}\u{1b}[31m\u{7f}\u{9b}31m\u{2028}é\u{1f512}z";
        for text in
            text.char_indices().map(|(at, _)| text.get(at..).unwrap()).chain(["", "plain ~"])
        {
            let mut written = Vec::new();
            append_line(&json!({ "text": text }), &mut written).unwrap();
            let (end, printable) = written.split_last().unwrap();
            assert_eq!(*end, b'\n');
            assert!(printable.iter().all(|byte| (b' '..=b'~').contains(byte)), "{written:?}");
            assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), json!({ "text": text }));
        }
    }
}
