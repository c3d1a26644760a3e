//! JSON in ASCII: whatever a client sent, no terminal and no reader of lines sees a control
//! character of it.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

/// One line at the end of `batch`, with its line feed.
pub(super) fn line(value: &impl Serialize, batch: &mut Vec<u8>) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(&mut *batch, Ascii))?;
    batch.push(b'\n');
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
        // Nearly every text is, which many bytes at a time are looked at for.
        if fragment.bytes().fold(true, |all, byte| all & matches!(byte, b' '..=b'~')) {
            return writer.write_all(fragment.as_bytes());
        }
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
    use super::*;

    #[test]
    fn a_line_is_printable_ascii_and_the_same_text() {
        let text = "a\"\\\n\r\t\u{0}\u{1b}[31m\u{7f}\u{9b}31m\u{2028}é\u{1f512}z";
        let mut written = Vec::new();
        line(&text, &mut written).unwrap();
        let line = written;
        let (end, printable) = line.split_last().unwrap();
        assert_eq!(*end, b'\n');
        assert!(printable.iter().all(|byte| (b' '..=b'~').contains(byte)), "{line:?}");
        assert_eq!(serde_json::from_slice::<String>(&line).unwrap(), text);
    }
}
