//! Request bodies, one valid and many hostile.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use transport::limits::MAX_BODY_LENGTH;

/// Returns a request for the maximum number of bytes.
pub(crate) fn request(document: &str) -> Vec<u8> {
    format!(
        r#"{{"NumberOfBytes":1024,"Recipient":{{"KeyEncryptionAlgorithm":"RSAES_OAEP_SHA_256","AttestationDocument":"{document}"}}}}"#
    )
    .into_bytes()
}

/// Repeats `part` between `start` and `end` up to the maximum length.
fn full(start: &str, part: &str, end: &str) -> Vec<u8> {
    let count = (MAX_BODY_LENGTH - start.len() - end.len()) / part.len();
    let body = [start, &part.repeat(count), end].concat().into_bytes();
    assert!(body.len() > MAX_BODY_LENGTH - part.len());
    body
}

pub(crate) fn hostile() -> Vec<(&'static str, Vec<u8>)> {
    let document = r#"{"NumberOfBytes":1,"Recipient":{"KeyEncryptionAlgorithm":"RSAES_OAEP_SHA_256","AttestationDocument":""#;
    let members: String = (0..60_000).map(|number| format!(r#""{number}":[],"#)).collect();
    let mut members = format!("{{{members}").into_bytes();
    members.truncate(MAX_BODY_LENGTH);
    vec![
        ("the API's longest document", request(&STANDARD.encode(vec![7; 262_144]))),
        ("a document up to the body's cap", full(document, "AAAA", r#""}}"#)),
        ("base64 that is all escapes", full(document, r"\u0041\u0041\/\/", r#""}}"#)),
        ("base64 with an escape at its end", full(document, "AAAA", r#"AA\/\/"}}"#)),
        ("many members", members),
        ("lists in lists", vec![b'['; MAX_BODY_LENGTH]),
        ("objects in objects", full("", r#"{"a":"#, "")),
        ("one list", full(r#"{"a":["#, "[],", "0]}")),
        ("a long name", full(r#"{""#, r"\n", r#"":0}"#)),
        ("a long identifier", full(r#"{"NumberOfBytes":1,"CustomKeyStoreId":""#, r"\n", r#""}"#)),
        ("a long number", full(r#"{"NumberOfBytes":"#, "1", "}")),
    ]
}
