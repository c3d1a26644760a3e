//! Searches text for secrets in any encoding.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Length of the pieces of a secret that are searched for, in bytes. Pieces start at every fourth
/// byte, so a leak of [`WINDOW`] + 3 consecutive bytes always contains a piece.
const WINDOW: usize = 12;

/// Returns the encodings of a piece.
fn encodings(piece: &[u8]) -> Vec<Vec<u8>> {
    let each = |format: &dyn Fn(u8) -> String| piece.iter().map(|byte| format(*byte)).collect();
    let list = |separator: &str| {
        let numbers: Vec<_> = piece.iter().map(u8::to_string).collect();
        numbers.join(separator)
    };
    let mut texts: Vec<String> = vec![
        each(&|byte| format!("{byte:02x}")),
        each(&|byte| format!("{byte:02X}")),
        each(&|byte| format!("%{byte:02X}")),
        each(&|byte| format!("\\x{byte:02x}")),
        each(&|byte| format!("\\u00{byte:02x}")),
        each(&|byte| format!("{byte:02x} ")),
        each(&|byte| format!("{byte:02x}:")),
        piece.escape_ascii().to_string(),
        String::from_utf8_lossy(piece).escape_debug().to_string(),
        list(","),
        list(", "),
    ];
    // In base64, a piece may start at any of the three positions of a group. Characters that also
    // encode bytes before or after the piece are not searched for.
    for before in 0..3 {
        let padded = [&vec![0; before][..], piece].concat();
        for encoded in [STANDARD_NO_PAD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)] {
            let first = (before * 8).div_ceil(6);
            let last = padded.len() * 8 / 6;
            texts.push(encoded.chars().take(last).skip(first).collect());
        }
    }
    let reversed = piece.iter().rev().copied().collect();
    texts.into_iter().map(String::into_bytes).chain([piece.to_vec(), reversed]).collect()
}

/// Returns the first encoded piece of `secret` in `text`.
pub(crate) fn find(secret: &[u8], text: &[u8]) -> Option<String> {
    let window = WINDOW.min(secret.len());
    let pieces = secret.windows(window).step_by(4);
    let mut encodings = pieces.flat_map(encodings);
    let found = encodings.find(|encoding| contains(text, encoding))?;
    let mut shown = String::new();
    write!(shown, "{}", found.escape_ascii()).unwrap();
    Some(shown)
}

fn contains(text: &[u8], piece: &[u8]) -> bool {
    let first = piece[0];
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte == first) {
        rest = &rest[at..];
        if rest.starts_with(piece) {
            return true;
        }
        rest = &rest[1..];
    }
    false
}

#[test]
fn finds_a_secret_in_any_encoding_at_any_offset() {
    let secret: Vec<u8> = (0..=255_u8).map(|byte| byte.wrapping_mul(167) ^ 0x5a).collect();
    let piece = &secret[101..101 + WINDOW + 3];
    let base64: Vec<_> = (0..3)
        .map(|before| STANDARD_NO_PAD.encode([&vec![0xff; before][..], piece, b"zz"].concat()))
        .collect();
    let mut planted = vec![
        const_hex::encode(piece),
        const_hex::encode_upper(piece),
        format!("{piece:?}"),
        format!("{:?}", String::from_utf8_lossy(piece)),
        piece.escape_ascii().to_string(),
        URL_SAFE_NO_PAD.encode(piece),
        serde_json::to_string(piece).unwrap(),
    ];
    planted.extend(base64);
    for text in planted {
        let text = format!("before {text} after");
        assert!(find(&secret, text.as_bytes()).is_some(), "{text}");
    }
    assert!(find(&secret, &[b"a", piece].concat()).is_some());
    assert_eq!(find(&secret, format!("{:?}", vec![7; 500]).as_bytes()), None);
    assert!(find(b"short", b"it is short").is_some());
    assert_eq!(find(b"short", b"it is long"), None);
}
