//! Rows E: the members that determine the recipient and the source of the random bytes.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};

use crate::harness::requests::{
    PLAINTEXT_RESPONSE, SEALED_RESPONSE, attested_body, attested_body_with, constraint_violation,
    document, document_base64, generate, recipient_body, rejects, serialization_error,
    validation_error,
};
use crate::harness::response::Expected;
use crate::harness::row::{Row, row};
use crate::harness::service::valid_document;

pub(crate) fn rows() -> Vec<Row> {
    vec![base64(), algorithms(), incomplete_recipients(), custom_key_stores()]
}

fn base64() -> Row {
    let good_base64 = document_base64();
    let mut row =
        row("E19", "base64 url-safe, with white space, unpadded, with non-zero trailing bits")
            .exchange("standard", generate(attested_body_with(&good_base64)), vec![SEALED_RESPONSE])
            .exchange(
                "slashes and padding escaped in JSON",
                generate(attested_body_with(
                    &good_base64.replace('/', r"\/").replace('=', r"\u003d"),
                )),
                vec![SEALED_RESPONSE],
            );
    let message = "Recipient.AttestationDocument is not base64 (standard alphabet, padded, without white space)";
    let (first, rest) = good_base64.split_at(76);
    for (case, text) in [
        ("url-safe", URL_SAFE.encode(document())),
        ("a space before", format!(" {good_base64}")),
        ("a space after", format!("{good_base64} ")),
        ("a line feed after", format!(r"{good_base64}\n")),
        ("MIME lines", format!(r"{first}\r\n{rest}")),
        ("a space within", format!("{first} {rest}")),
        ("a tab within", format!(r"{first}\t{rest}")),
        ("a NUL within", format!(r"{first}\u0000{rest}")),
        ("a letter too few", good_base64.chars().skip(1).collect()),
        ("a letter too many", format!("A{good_base64}")),
        ("padding within", format!("AA=={good_base64}")),
        ("padding without need", format!("{}====", padded(0))),
        ("a data URL", format!("data:application/octet-stream;base64,{good_base64}")),
        ("in hexadecimal digits with a prefix", "0x8444".to_owned()),
        ("a character outside ASCII", format!("{first}\u{e9}{rest}")),
        ("only padding", "====".to_owned()),
    ] {
        row = rejects(row, case, attested_body_with(&text), serialization_error(message));
    }
    for padding in [1, 2] {
        let text = padded(padding);
        let unpadded = STANDARD_NO_PAD.encode(STANDARD.decode(&text).unwrap());
        for (case, text) in [
            ("unpadded", unpadded.clone()),
            ("padded too little", format!("{unpadded}{}", "=".repeat(padding - 1))),
            ("padded too much", format!("{text}=")),
            ("with non-zero trailing bits", with_trailing_bit(&unpadded, padding)),
        ] {
            let case = format!("{case}, {padding} needed");
            row = rejects(row, case, attested_body_with(&text), serialization_error(message));
        }
        row = row.exchange(
            format!("padded with {padding}"),
            generate(attested_body_with(&text)),
            vec![SEALED_RESPONSE],
        );
    }
    for (case, value, message) in [
        ("a number", "1", "NUMBER_VALUE can not be converted to a String"),
        ("a list of bytes", "[132,68]", "Start of list found where not expected"),
        ("a structure", r#"{"B":"hEQ="}"#, "Start of structure or map found where not expected"),
        ("false", "false", "FALSE_VALUE can not be converted to a String"),
    ] {
        let body = attested_body_with("")
            .replace(r#""AttestationDocument":"""#, &format!(r#""AttestationDocument":{value}"#));
        row = rejects(row, case, body, serialization_error(message));
    }
    row
}

/// Returns the base64 of a valid document. The text ends with `padding` padding characters.
fn padded(padding: usize) -> String {
    // The length of a certificate's signature varies, so the function signs new documents until one
    // has the right length.
    (0..)
        .map(|length| {
            let mut forgery = valid_document();
            forgery.document.user_data = Some(vec![0; length % 3]);
            STANDARD.encode(forgery.sign().unwrap())
        })
        .find(|text| {
            text.ends_with(&"=".repeat(padding)) && !text.ends_with(&"=".repeat(padding + 1))
        })
        .unwrap()
}

/// Sets the lowest unused bit of the last base64 character.
fn with_trailing_bit(unpadded: &str, padding: usize) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (rest, last) = unpadded.split_at(unpadded.len() - 1);
    let value = ALPHABET.iter().position(|letter| [*letter] == *last.as_bytes()).unwrap();
    let letter = char::from(ALPHABET[value | 1]);
    format!("{rest}{letter}{}", "=".repeat(padding))
}

fn algorithms() -> Row {
    let with = |algorithm: &str| attested_body().replace(r#""RSAES_OAEP_SHA_256""#, algorithm);
    let mut row = row("E20", "other KeyEncryptionAlgorithms, other case");
    for algorithm in [
        "RSAES_OAEP_SHA_1",
        "RSAES_PKCS1_V1_5",
        "RSAES_OAEP_SHA_512",
        "SM2PKE",
        "SYMMETRIC_DEFAULT",
        "rsaes_oaep_sha_256",
        "Rsaes_Oaep_Sha_256",
        "RSAES-OAEP-SHA-256",
        "RSAES_OAEP_SHA_256 ",
        " RSAES_OAEP_SHA_256",
        "RSAES_OAEP_SHA_2560",
        "RSAES_OAEP_SHA_25",
        "NONE",
        "",
    ] {
        let expected = constraint_violation(&format!(
            "'{algorithm}' at 'recipient.keyEncryptionAlgorithm' failed to satisfy constraint: \
             Member must satisfy enum value set: [RSAES_OAEP_SHA_256]"
        ));
        row = rejects(row, format!("{algorithm:?}"), with(&format!("\"{algorithm}\"")), expected);
    }
    let long = "A".repeat(100_000);
    let expected = constraint_violation(&format!(
        "'{}' at 'recipient.keyEncryptionAlgorithm' failed to satisfy constraint: Member must \
         satisfy enum value set: [RSAES_OAEP_SHA_256]",
        "A".repeat(1024)
    ));
    row = rejects(row, "100,000 letters", with(&format!("\"{long}\"")), expected);
    for (value, message) in [
        ("0", "NUMBER_VALUE can not be converted to a String"),
        ("true", "TRUE_VALUE can not be converted to a String"),
        (r#"["RSAES_OAEP_SHA_256"]"#, "Start of list found where not expected"),
        ("{}", "Start of structure or map found where not expected"),
    ] {
        row = rejects(row, value, with(value), serialization_error(message));
    }
    row.exchange(
        "the valid algorithm",
        generate(with(r#""RSAES_OAEP_SHA_256""#)),
        vec![SEALED_RESPONSE],
    )
    .exchange(
        "the valid algorithm, escaped",
        generate(with(r#""RSAES_OAEP_SHA_25\u0036""#)),
        vec![SEALED_RESPONSE],
    )
}

fn incomplete_recipients() -> Row {
    let base64 = document_base64();
    let algorithm = r#""KeyEncryptionAlgorithm":"RSAES_OAEP_SHA_256""#;
    let document = format!(r#""AttestationDocument":"{base64}""#);
    let no_algorithm = || validation_error("Recipient.KeyEncryptionAlgorithm is required.");
    let no_document = || validation_error("Recipient.AttestationDocument is required.");
    let mut row = row("E21", "incomplete Recipient: no plaintext response");
    for (case, members, expected) in [
        ("no algorithm", document.clone(), no_algorithm()),
        ("algorithm null", format!(r#""KeyEncryptionAlgorithm":null,{document}"#), no_algorithm()),
        (
            "algorithm in other case",
            format!(r#""keyEncryptionAlgorithm":"RSAES_OAEP_SHA_256",{document}"#),
            no_algorithm(),
        ),
        ("no document", algorithm.to_owned(), no_document()),
        ("document null", format!(r#"{algorithm},"AttestationDocument":null"#), no_document()),
        (
            "document in other case",
            format!(r#"{algorithm},"attestationDocument":"{base64}""#),
            no_document(),
        ),
        (
            "document empty",
            format!(r#"{algorithm},"AttestationDocument":"""#),
            constraint_violation(
                "at 'recipient.attestationDocument' failed to satisfy constraint: Member must \
                 have length greater than or equal to 1",
            ),
        ),
        ("neither", String::new(), no_algorithm()),
        (
            "both null",
            r#""KeyEncryptionAlgorithm":null,"AttestationDocument":null"#.to_owned(),
            no_algorithm(),
        ),
        ("only other members", r#""X":1"#.to_owned(), no_algorithm()),
        (
            "a nested Recipient",
            format!(r#""Recipient":{{{algorithm},{document}}}"#),
            no_algorithm(),
        ),
    ] {
        row = rejects(row, case, recipient_body(&format!("{{{members}}}")), expected);
    }
    for (value, message) in [
        ("[]", "Start of list found where not expected"),
        ("\"\"", "STRING_VALUE can not be converted to a structure"),
        ("true", "TRUE_VALUE can not be converted to a structure"),
        ("false", "FALSE_VALUE can not be converted to a structure"),
        ("0", "NUMBER_VALUE can not be converted to a structure"),
    ] {
        row = rejects(row, value, recipient_body(value), serialization_error(message));
    }
    let list = format!("[{{{algorithm},{document}}}]");
    row = rejects(
        row,
        "a list of one",
        recipient_body(&list),
        serialization_error("Start of list found where not expected"),
    );
    let whole = format!("{{{document},{algorithm},\"X\":1}}");
    let first = format!(r#"{{"Recipient":{{{algorithm},{document}}},"NumberOfBytes":32}}"#);
    row.exchange("whole, in another order", generate(recipient_body(&whole)), vec![SEALED_RESPONSE])
        .exchange("whole, before NumberOfBytes", generate(first), vec![SEALED_RESPONSE])
        // As in the API of AWS, null means an absent member, and unknown members are ignored.
        .exchange("null", generate(recipient_body("null")), vec![PLAINTEXT_RESPONSE])
        .exchange(
            "recipient",
            generate(r#"{"NumberOfBytes":32,"recipient":{}}"#),
            vec![PLAINTEXT_RESPONSE],
        )
}

fn custom_key_stores() -> Row {
    let with = |id: &str| format!(r#"{{"NumberOfBytes":32,"CustomKeyStoreId":{id}}}"#);
    let attested = |id: &str| {
        let body = attested_body();
        let body = body.strip_suffix('}').unwrap();
        format!(r#"{body},"CustomKeyStoreId":{id}}}"#)
    };
    let not_found = |id: &str| {
        let message = format!("The custom key store {id} does not exist.");
        vec![Expected::error(400, "CustomKeyStoreNotFoundException", &message)]
    };
    let length = |id: &str, bound: &str| {
        constraint_violation(&format!(
            "'{id}' at 'customKeyStoreId' failed to satisfy constraint: Member must have length \
             {bound}"
        ))
    };
    let mut row = row("E22", "CustomKeyStoreId: never ignored");
    let (most, many) = ("a".repeat(64), "a".repeat(65));
    let (most_wide, many_wide) = ("\u{1f600}".repeat(64), "\u{1f600}".repeat(65));
    for (id, expected) in [
        ("cks-1234567890abcdef0", not_found("cks-1234567890abcdef0")),
        (" ", not_found(" ")),
        ("null", not_found("null")),
        ("0", not_found("0")),
        (&most, not_found(&most)),
        (&most_wide, not_found(&most_wide)),
        ("", length("", "greater than or equal to 1")),
        (&many, length(&many, "less than or equal to 64")),
        (&many_wide, length(&many_wide, "less than or equal to 64")),
    ] {
        let json = format!("\"{id}\"");
        row = rejects(row, format!("{id:?}"), with(&json), expected.clone());
        row = rejects(row, format!("{id:?}, with a Recipient"), attested(&json), expected);
    }
    for (json, message) in [
        ("1", "NUMBER_VALUE can not be converted to a String"),
        ("true", "TRUE_VALUE can not be converted to a String"),
        ("false", "FALSE_VALUE can not be converted to a String"),
        ("[]", "Start of list found where not expected"),
        ("{}", "Start of structure or map found where not expected"),
    ] {
        row = rejects(row, json, with(json), serialization_error(message));
        row = rejects(
            row,
            format!("{json}, with a Recipient"),
            attested(json),
            serialization_error(message),
        );
    }
    // The error must not disclose to a denied caller which stores exist.
    let mut document = document().to_vec();
    *document.last_mut().unwrap() ^= 1;
    let body = attested(r#""cks-1""#).replace(&document_base64(), &STANDARD.encode(document));
    row = rejects(
        row,
        "with a rejected Recipient",
        body,
        validation_error("Recipient.AttestationDocument: the document's signature does not verify"),
    );
    let escapes = r#""a\r\nb\u0000\"""#;
    row = rejects(row, "control characters", with(escapes), not_found("a\r\nb\0\""));
    let body = attested(r#""cks-1""#).replacen("32", "0", 1);
    let message = "'0' at 'numberOfBytes' failed to satisfy constraint: Member must have value \
                   greater than or equal to 1";
    row = rejects(row, "with a number out of range", body, constraint_violation(message));
    row.exchange("null", generate(with("null")), vec![PLAINTEXT_RESPONSE]).exchange(
        "null, with a Recipient",
        generate(attested("null")),
        vec![SEALED_RESPONSE],
    )
}
