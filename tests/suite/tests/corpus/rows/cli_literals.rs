//! Rows E: the forms in which AWS CLI v1 sends a document.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::harness::configuration::Configuration;
use crate::harness::requests::{
    PLAINTEXT_RESPONSE, SEALED_RESPONSE, attested_body, attested_body_with, document,
    document_base64,
};
use crate::harness::response::Expected;
use crate::harness::row::{Row, row};
use crate::harness::signed_requests::{followed_by_signed_request, rejects};
use crate::harness::sigv4_signer::UnsignedRequest;

pub(crate) fn rows() -> Vec<Row> {
    vec![literals()]
}

/// Returns the row for CLI v1. With `AttestationDocument=fileb://FILE`, the CLI sends this text
/// instead of the file. With base64 in the argument, the CLI encodes the text a second time.
fn literals() -> Row {
    let file = "Recipient.AttestationDocument: the document is the text of a file reference, not the \
                file's content; with AWS CLI v1 write AttestationDocument@=fileb://FILE";
    let twice = |encoding: &str| {
        format!(
            "Recipient.AttestationDocument: the document is {encoding} text of an attestation \
             document: it was encoded twice; send the raw bytes (with AWS CLI v1 write \
             AttestationDocument@=fileb://FILE)"
        )
    };
    let other = "Recipient.AttestationDocument: the document is not a COSE_Sign1: a CBOR array of \
                 four, untagged or with tag 18 once";
    let base64 = document_base64();
    let tagged = [&[0xd2][..], document()].concat();
    let mut row = row("E30", "AWS CLI v1 literals as documents: the message explains the mistake")
        .with_configuration(Configuration::signed());
    for (case, text, message) in [
        ("fileb://doc.bin", "fileb://doc.bin".to_owned(), file.to_owned()),
        ("file://doc.bin", "file://doc.bin".to_owned(), file.to_owned()),
        ("fileb:///tmp/doc.bin", "fileb:///tmp/doc.bin".to_owned(), file.to_owned()),
        ("fileb://", "fileb://".to_owned(), file.to_owned()),
        (
            "fileb://~/doc with a line feed at the end",
            "fileb://~/doc\n".to_owned(),
            file.to_owned(),
        ),
        ("base64 twice", base64.clone(), twice("base64")),
        ("base64 twice, of a tagged document", STANDARD.encode(&tagged), twice("base64")),
        ("base64 twice, cut", base64[..64].to_owned(), twice("base64")),
        (
            "base64 twice, lines",
            format!("{}\n{}\n", &base64[..76], &base64[76..152]),
            twice("base64"),
        ),
        ("hexadecimal", const_hex::encode(document()), twice("hexadecimal")),
        ("hexadecimal, upper case", const_hex::encode_upper(document()), twice("hexadecimal")),
        ("hexadecimal, of a tagged document", const_hex::encode(&tagged), twice("hexadecimal")),
        // Similar texts cause the general error.
        ("base64 three times", STANDARD.encode(&base64), other.to_owned()),
        ("a path", "/tmp/doc.bin".to_owned(), other.to_owned()),
        ("FILEB://doc.bin", "FILEB://doc.bin".to_owned(), other.to_owned()),
        ("a space before fileb://", " fileb://doc.bin".to_owned(), other.to_owned()),
        ("https://host/doc.bin", "https://host/doc.bin".to_owned(), other.to_owned()),
        ("@doc.bin", "@doc.bin".to_owned(), other.to_owned()),
    ] {
        let bytes = UnsignedRequest::new(attested_body_with(&STANDARD.encode(text))).signed();
        row = rejects(row, case, bytes, Expected::validation(&message));
    }
    // The text `fileb://FILE` without an encoding is not base64.
    let message = "Recipient.AttestationDocument is not base64 (standard alphabet, padded, without white space)";
    for text in ["fileb://doc.bin", "file://doc.bin"] {
        let bytes = UnsignedRequest::new(attested_body_with(text)).signed();
        row = rejects(
            row,
            format!("{text} instead of base64"),
            bytes,
            Expected::serialization(message),
        );
    }
    row.exchange(
        "base64 once",
        followed_by_signed_request(UnsignedRequest::new(attested_body()).signed()),
        vec![SEALED_RESPONSE, PLAINTEXT_RESPONSE],
    )
    .exchange(
        "base64 once, of a tagged document",
        followed_by_signed_request(
            UnsignedRequest::new(attested_body_with(&STANDARD.encode(tagged))).signed(),
        ),
        vec![SEALED_RESPONSE, PLAINTEXT_RESPONSE],
    )
}
