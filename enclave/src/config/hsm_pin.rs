//! Parses PIN files.

/// Maximum length of a PIN, in bytes.
const MAX_PIN_LENGTH: usize = 1024;

/// Returns the PIN: the only line of the file, without the line ending. Returns `None` for other content.
pub(super) fn parse_pin(file: &[u8]) -> Option<&[u8]> {
    let line = file.strip_suffix(b"\n").unwrap_or(file);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let is_pin = (1..=MAX_PIN_LENGTH).contains(&line.len())
        && !line.iter().any(|byte| matches!(byte, b'\n' | b'\r' | 0));
    is_pin.then_some(line)
}
