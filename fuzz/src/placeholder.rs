//! Placeholders for long texts, such as a valid document, in the inputs of a fuzz target. The target
//! replaces each placeholder by its text. Placeholders keep inputs short, and the fuzzer cannot damage
//! the text by a mutation.

use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use simulator::sign_payload;

use crate::fixture;

/// A placeholder, such as `$D`, and the text that replaces it.
pub(crate) type Placeholder<'a> = (&'a str, &'a str);

/// Returns the placeholder of a valid document in base64. Without the placeholder, the document would be
/// most of the input.
pub(crate) fn document() -> Placeholder<'static> {
    static DOCUMENT: OnceLock<String> = OnceLock::new();
    let document = DOCUMENT.get_or_init(|| {
        let payload = &fixture::valid_payloads()[0];
        let document = sign_payload(payload, fixture::leaf_key()).expect("the provider signs");
        STANDARD.encode(document)
    });
    ("$D", document)
}

/// Returns `data` with each placeholder replaced by its text.
pub(crate) fn expand(data: &[u8], placeholders: &[Placeholder<'_>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    let mut rest = data;
    while let Some((first, after)) = rest.split_first() {
        let is_dollar = *first == b'$';
        let found = placeholders.iter().filter(|_| is_dollar).find_map(|(placeholder, text)| {
            rest.strip_prefix(placeholder.as_bytes()).map(|after| (text, after))
        });
        rest = if let Some((text, after)) = found {
            out.extend(text.as_bytes());
            after
        } else {
            out.push(*first);
            after
        };
    }
    out
}
