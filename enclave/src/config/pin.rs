//! Files that hold a PIN.

/// Bytes of a PIN, more than any token takes.
const MAX_PIN_LENGTH: usize = 1024;

/// The one line of a file, whether it is ended or not.
pub(super) fn pin(file: &[u8]) -> Option<&[u8]> {
    let line = file.strip_suffix(b"\n").unwrap_or(file);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let is_pin = (1..=MAX_PIN_LENGTH).contains(&line.len())
        && !line.iter().any(|byte| matches!(byte, b'\n' | b'\r' | 0));
    is_pin.then_some(line)
}
