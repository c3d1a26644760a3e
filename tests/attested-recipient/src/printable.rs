//! Text from a server or a file that is not verified, for a terminal.

/// Returns at most `max_chars` characters of `text`. Escapes all characters that a terminal interprets or does not
/// print. Quotation marks and backslashes stay as they are.
pub(crate) fn printable(text: &str, max_chars: usize) -> String {
    let mut printable = String::new();
    for character in text.chars().take(max_chars) {
        match character {
            '"' | '\'' | '\\' => printable.push(character),
            _ => printable.extend(character.escape_debug()),
        }
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_control_characters_but_no_quotation_marks() {
        let text = "it's \"a\\b\" é\u{1b}[2J\r\n\u{9b}\u{202e}\0";
        let escaped = "it's \"a\\b\" é\\u{1b}[2J\\r\\n\\u{9b}\\u{202e}\\0";
        assert_eq!(printable(text, usize::MAX), escaped);
        assert_eq!(printable(text, 4), "it's");
    }
}
