//! Rows E: the JSON of a body, and the member NumberOfBytes.

use crate::harness::requests::{
    PLAINTEXT_RESPONSE, SEALED_RESPONSE, attested_body, constraint_violation,
    followed_by_plain_request, generate, recipient_body, rejects, serialization_error,
    validation_error,
};
use crate::harness::response::Expected;
use crate::harness::row::{Row, row};
use crate::harness::service::post;

pub(crate) fn rows() -> Vec<Row> {
    vec![duplicates(), depths(), numbers(), encodings()]
}

fn duplicates() -> Row {
    let attested = attested_body();
    let recipient = attested.split_once(r#""Recipient":"#).unwrap().1.strip_suffix('}').unwrap();
    let plain = r#"{"NumberOfBytes":32,"#;
    let mut row = row("E15", "duplicate JSON members: SerializationException");
    // The character ^ marks the position of the error, which is after the repeated name.
    for body in [
        r#"{"NumberOfBytes":32,"NumberOfBytes"^:32}"#.to_owned(),
        r#"{"NumberOfBytes":32,"NumberOfBytes"^:null}"#.to_owned(),
        r#"{"NumberOfBytes":null,"NumberOfBytes"^:32}"#.to_owned(),
        r#"{"NumberOfBytes":32,"NumberOf\u0042ytes"^:32}"#.to_owned(),
        r#"{"NumberOfBytes":32,"X":1,"X"^:1}"#.to_owned(),
        r#"{"NumberOfBytes":32,"":1,""^:1}"#.to_owned(),
        r#"{"NumberOfBytes":32,"X":{"Y":1,"Y"^:1}}"#.to_owned(),
        r#"{"NumberOfBytes":32,"X":[[{"Y":{"Z":1,"Z"^:1}}]]}"#.to_owned(),
        r#"{"NumberOfBytes":32,"CustomKeyStoreId":"a","CustomKeyStoreId"^:null}"#.to_owned(),
        r#"{"NumberOfBytes":32,"CustomKeyStoreId":null,"CustomKeyStoreId"^:"a"}"#.to_owned(),
        format!(r#"{plain}"Recipient":{recipient},"Recipient"^:{recipient}}}"#),
        format!(r#"{plain}"Recipient":{recipient},"Recipient"^:null}}"#),
        format!(r#"{plain}"Recipient":null,"Recipient"^:{recipient}}}"#),
        format!(r#"{{"Recipient":{recipient},"NumberOfBytes":32,"NumberOfBytes"^:1024}}"#),
        recipient_body(&recipient.replace('}', r#","AttestationDocument"^:null}"#)),
        recipient_body(&recipient.replace('}', r#","KeyEncryptionAlgorithm"^:null}"#)),
        recipient_body(&recipient.replace("{\"Key", "{\"KeyEncryptionAlgorithm\":null,\"Key"))
            .replace("Algorithm\":\"RSA", "Algorithm\"^:\"RSA"),
    ] {
        let (before, after) = body.split_once('^').unwrap();
        let message = format!("a member occurs twice at line 1 column {}", before.len());
        let body = format!("{before}{after}");
        row = rejects(row, body.replace(recipient, "{...}"), body, serialization_error(&message));
    }
    let describe = r#"{"Limit":1,"Limit":1}"#;
    let twice = "a member occurs twice at line 1 column 18";
    row.exchange(
        "in the other operation",
        post("TrentService.DescribeCustomKeyStores", describe.as_bytes()),
        serialization_error(twice),
    )
    .exchange(
        "the same name in two objects",
        generate(r#"{"NumberOfBytes":32,"X":{"NumberOfBytes":1},"Y":{"X":1}}"#),
        vec![PLAINTEXT_RESPONSE],
    )
    .exchange(
        "names that differ in case",
        generate(r#"{"NumberOfBytes":32,"numberOfBytes":1,"numberofbytes":1}"#),
        vec![PLAINTEXT_RESPONSE],
    )
}

fn depths() -> Row {
    // The number of nested levels inside the request object.
    let lists = |depth: usize| nested(depth, "[", "]");
    let maps = |depth: usize| nested(depth, r#"{"X":"#, "}");
    let too_deep = |column: usize| {
        serialization_error(&format!("recursion limit exceeded at line 1 column {column}"))
    };
    let mut row = row("E16", "depth 129, more than 64 members")
        // The JSON reader allows 127 levels, including the request object.
        .exchange("127, lists", generate(lists(126)), vec![PLAINTEXT_RESPONSE])
        .exchange("127, structures", generate(maps(126)), vec![PLAINTEXT_RESPONSE])
        .exchange("127, with a Recipient", generate(deep_recipient(126)), vec![SEALED_RESPONSE]);
    for depth in [128, 129, 1_000, 100_000] {
        let column = r#"{"NumberOfBytes":32,"X":"#.len() + 127;
        row = rejects(row, format!("{depth}, lists"), lists(depth - 1), too_deep(column));
    }
    for depth in [128, 129, 1_000] {
        let column = r#"{"NumberOfBytes":32,"X":"#.len() + 126 * r#"{"X":"#.len() + 1;
        row = rejects(row, format!("{depth}, structures"), maps(depth - 1), too_deep(column));
    }
    let endless = format!(r#"{{"NumberOfBytes":32,"X":{}"#, "[".repeat(200_000));
    let column = r#"{"NumberOfBytes":32,"X":"#.len() + 127;
    row = rejects(row, "200,000 without an end", endless, too_deep(column));
    let recipient = deep_recipient(128);
    let column = recipient.find('[').unwrap() + 127;
    row = rejects(row, "with a Recipient", recipient, too_deep(column));
    row.exchange("64 members", generate(wide(64)), vec![PLAINTEXT_RESPONSE]).exchange(
        "65 members",
        followed_by_plain_request(generate(wide(65))),
        vec![
            Expected::serialization(&format!(
                "an object has more than 64 members at line 1 column {}",
                wide(65).len() - 3
            )),
            PLAINTEXT_RESPONSE,
        ],
    )
}

/// Returns a request with a member that contains `depth` nested levels.
fn nested(depth: usize, open: &str, close: &str) -> String {
    format!(r#"{{"NumberOfBytes":32,"X":{}0{}}}"#, open.repeat(depth), close.repeat(depth))
}

/// Returns a request with a valid Recipient and then a member that contains `depth` nested lists.
fn deep_recipient(depth: usize) -> String {
    let body = attested_body();
    let body = body.strip_suffix('}').unwrap();
    format!(r#"{body},"X":{}{}}}"#, "[".repeat(depth), "]".repeat(depth))
}

/// Returns a request with this number of members.
fn wide(members: usize) -> String {
    let others: Vec<String> = (1..members).map(|number| format!(r#""{number:02}":0"#)).collect();
    format!(r#"{{"NumberOfBytes":32,{}}}"#, others.join(","))
}

fn numbers() -> Row {
    let number = |value: &str| format!(r#"{{"NumberOfBytes":{value}}}"#);
    let attested = |value: &str| attested_body().replacen("32", value, 1);
    let mut row = row("E17", "NumberOfBytes of other types, out of range, null");
    for (value, found) in [
        ("1e3", "DECIMAL_VALUE"),
        ("32.0", "DECIMAL_VALUE"),
        ("32e0", "DECIMAL_VALUE"),
        ("-0", "DECIMAL_VALUE"),
        ("18446744073709551616", "DECIMAL_VALUE"),
        ("-9223372036854775809", "DECIMAL_VALUE"),
        ("\"32\"", "STRING_VALUE"),
        ("\"\"", "STRING_VALUE"),
        ("true", "TRUE_VALUE"),
        ("false", "FALSE_VALUE"),
    ] {
        let expected = serialization_error(&format!("{found} can not be converted to an Integer"));
        row = rejects(row, value, number(value), expected.clone());
        row = rejects(row, format!("{value}, with a Recipient"), attested(value), expected);
    }
    for (value, found) in [("[]", "list"), ("[32]", "list"), ("{}", "structure or map")] {
        let expected = serialization_error(&format!("Start of {found} found where not expected"));
        row = rejects(row, value, number(value), expected);
    }
    for (value, column) in
        [("032", 19), ("+32", 18), (".5", 18), ("0x20", 19), ("32_0", 20), ("", 18)]
    {
        let message = match value {
            "032" => "invalid number",
            "0x20" | "32_0" => "expected `,` or `}`",
            _ => "expected value",
        };
        let message = format!("{message} at line 1 column {column}");
        row = rejects(
            row,
            format!("unquoted {value:?}"),
            number(value),
            serialization_error(&message),
        );
    }
    let message = "number out of range at line 1 column 24";
    row = rejects(row, "1e999", number("1e99999"), serialization_error(message));
    for (value, bound) in [
        ("-1", "greater than or equal to 1"),
        ("0", "greater than or equal to 1"),
        ("-9223372036854775808", "greater than or equal to 1"),
        ("1025", "less than or equal to 1024"),
        ("65537", "less than or equal to 1024"),
        ("4294967328", "less than or equal to 1024"),
        ("18446744073709551615", "less than or equal to 1024"),
    ] {
        let expected = constraint_violation(&format!(
            "'{value}' at 'numberOfBytes' failed to satisfy constraint: Member must have value \
             {bound}"
        ));
        row = rejects(row, value, number(value), expected.clone());
        row = rejects(row, format!("{value}, with a Recipient"), attested(value), expected);
    }
    let required = || validation_error("NumberOfBytes is required.");
    row = rejects(row, "null", number("null"), required());
    row = rejects(row, "null, with a Recipient", attested("null"), required());
    row = rejects(row, "missing", "{}", required());
    for length in [1, 207, 208, 209, 256, 257, 1024] {
        let value = length.to_string();
        row = row
            .exchange(value.clone(), generate(number(&value)), vec![Expected::Plaintext { length }])
            .exchange(
                format!("{value}, with a Recipient"),
                generate(attested(&value)),
                vec![Expected::Sealed { length }],
            );
    }
    row
}

fn encodings() -> Row {
    let mut row =
        row("E18", "BOM, UTF-16, lone surrogates, invalid UTF-8, NaN, trailing comma or garbage");
    let utf_16 = |to_bytes: fn(u16) -> [u8; 2]| {
        r#"{"NumberOfBytes":32}"#.encode_utf16().flat_map(to_bytes).collect::<Vec<u8>>()
    };
    let little = utf_16(u16::to_le_bytes);
    let big = utf_16(u16::to_be_bytes);
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("BOM", b"\xef\xbb\xbf{\"NumberOfBytes\":32}".into(), "expected value at line 1 column 1"),
        (
            "BOM at the end",
            b"{\"NumberOfBytes\":32}\xef\xbb\xbf".into(),
            "trailing characters at line 1 column 21",
        ),
        ("UTF-16, little-endian", little.clone(), "key must be a string at line 1 column 2"),
        ("UTF-16, big-endian", big.clone(), "expected value at line 1 column 1"),
        (
            "UTF-16, little-endian with a BOM",
            [b"\xff\xfe", &little[..]].concat(),
            "expected value at line 1 column 1",
        ),
        (
            "UTF-16, big-endian with a BOM",
            [b"\xfe\xff", &big[..]].concat(),
            "expected value at line 1 column 1",
        ),
        (
            "invalid UTF-8 in a name",
            b"{\"NumberOfBytes\":32,\"\xff\":1}".into(),
            "invalid unicode code point at line 1 column 22",
        ),
        (
            "invalid UTF-8 in a value",
            b"{\"NumberOfBytes\":32,\"X\":\"\xff\"}".into(),
            "invalid unicode code point at line 1 column 26",
        ),
        (
            "invalid UTF-8 in a nested value",
            b"{\"NumberOfBytes\":32,\"X\":[[{\"Y\":\"\xc3(\"}]]}".into(),
            "invalid unicode code point at line 1 column 33",
        ),
        (
            "overlong UTF-8",
            b"{\"NumberOfBytes\":32,\"X\":\"\xc0\xaf\"}".into(),
            "invalid unicode code point at line 1 column 26",
        ),
        (
            "a surrogate in UTF-8",
            b"{\"NumberOfBytes\":32,\"X\":\"\xed\xa0\x80\"}".into(),
            "invalid unicode code point at line 1 column 26",
        ),
        (
            "invalid UTF-8 in CustomKeyStoreId",
            b"{\"NumberOfBytes\":32,\"CustomKeyStoreId\":\"\xff\"}".into(),
            "invalid unicode code point at line 1 column 41",
        ),
        (
            "truncated UTF-8",
            b"{\"NumberOfBytes\":32,\"X\":\"\xe2\x82\"}".into(),
            "invalid unicode code point at line 1 column 26",
        ),
        (
            "a NUL at the end",
            b"{\"NumberOfBytes\":32}\0".into(),
            "trailing characters at line 1 column 21",
        ),
        (
            "a NUL at the start",
            b"\0{\"NumberOfBytes\":32}".into(),
            "expected value at line 1 column 1",
        ),
        ("empty", b"".into(), "EOF while parsing a value at line 1 column 0"),
        ("only white space", b" \r\n\t".into(), "EOF while parsing a value at line 2 column 1"),
        ("form feed", b"\x0c{\"NumberOfBytes\":32}".into(), "expected value at line 1 column 1"),
    ];
    for (case, body, message) in cases {
        row = rejects(row, case, body, serialization_error(message));
    }
    for (body, message) in [
        (
            r#"{"NumberOfBytes":32,"X":"\ud800"}"#,
            "unexpected end of hex escape at line 1 column 32",
        ),
        (
            r#"{"NumberOfBytes":32,"X":"\udc00"}"#,
            "lone leading surrogate in hex escape at line 1 column 31",
        ),
        (
            r#"{"NumberOfBytes":32,"X":"\ud800\ud800"}"#,
            "lone leading surrogate in hex escape at line 1 column 37",
        ),
        (
            r#"{"NumberOfBytes":32,"X":"\ud800x"}"#,
            "unexpected end of hex escape at line 1 column 32",
        ),
        (
            r#"{"NumberOfBytes":32,"\udfff":1}"#,
            "lone leading surrogate in hex escape at line 1 column 27",
        ),
        (
            r#"{"NumberOfBytes":32,"CustomKeyStoreId":"\ud83d"}"#,
            "unexpected end of hex escape at line 1 column 47",
        ),
        (r#"{"NumberOfBytes":32,"X":"\uD8"}"#, "invalid escape at line 1 column 31"),
        (r#"{"NumberOfBytes":32,"X":"\x41"}"#, "invalid escape at line 1 column 27"),
        (
            "{\"NumberOfBytes\":32,\"X\":\"\n\"}",
            "control character (\\u0000-\\u001F) found while parsing a string at line 2 column 0",
        ),
        (r#"{"NumberOfBytes":NaN}"#, "expected value at line 1 column 18"),
        (r#"{"NumberOfBytes":32,"X":NaN}"#, "expected value at line 1 column 25"),
        (r#"{"NumberOfBytes":Infinity}"#, "expected value at line 1 column 18"),
        (r#"{"NumberOfBytes":-Infinity}"#, "invalid number at line 1 column 19"),
        (r#"{"NumberOfBytes":undefined}"#, "expected value at line 1 column 18"),
        (r#"{"NumberOfBytes":32,}"#, "trailing comma at line 1 column 21"),
        (r#"{,"NumberOfBytes":32}"#, "key must be a string at line 1 column 2"),
        (r#"{"NumberOfBytes":32,"X":[1,]}"#, "trailing comma at line 1 column 28"),
        (r#"{"NumberOfBytes":32}x"#, "trailing characters at line 1 column 21"),
        (r#"{"NumberOfBytes":32},"#, "trailing characters at line 1 column 21"),
        (r#"{"NumberOfBytes":32}{}"#, "trailing characters at line 1 column 21"),
        (r#"{"NumberOfBytes":32} {"NumberOfBytes":32}"#, "trailing characters at line 1 column 22"),
        (r#"{"NumberOfBytes":32}}"#, "trailing characters at line 1 column 21"),
        (r#"{"NumberOfBytes":32"#, "EOF while parsing an object at line 1 column 19"),
        (r#"{"NumberOfBytes" 32}"#, "expected `:` at line 1 column 18"),
        (r#"{"NumberOfBytes":32 "X":1}"#, "expected `,` or `}` at line 1 column 21"),
        (r#"{NumberOfBytes:32}"#, "key must be a string at line 1 column 2"),
        (r#"{'NumberOfBytes':32}"#, "key must be a string at line 1 column 2"),
        (r#"{32:32}"#, "key must be a string at line 1 column 2"),
        (r#"{"NumberOfBytes":32}//x"#, "trailing characters at line 1 column 21"),
        (r#"{/**/"NumberOfBytes":32}"#, "key must be a string at line 1 column 2"),
        ("NumberOfBytes=32", "expected value at line 1 column 1"),
    ] {
        row = rejects(row, format!("{body:?}"), body, serialization_error(message));
    }
    for (body, message) in [
        ("null", "NULL_VALUE can not be converted to a structure"),
        ("32", "NUMBER_VALUE can not be converted to a structure"),
        ("\"{}\"", "STRING_VALUE can not be converted to a structure"),
        ("true", "TRUE_VALUE can not be converted to a structure"),
        ("[]", "Start of list found where not expected"),
        (r#"[{"NumberOfBytes":32}]"#, "Start of list found where not expected"),
    ] {
        row = rejects(row, body, body, serialization_error(message));
    }
    row.exchange(
        "white space around",
        generate("\r\n\t {\"NumberOfBytes\" :\n32 } \n"),
        vec![PLAINTEXT_RESPONSE],
    )
    .exchange(
        "escapes in a name",
        generate(r#"{"\u004eumberOfBytes":32}"#),
        vec![PLAINTEXT_RESPONSE],
    )
    .exchange(
        "a pair of surrogates",
        generate(r#"{"NumberOfBytes":32,"X":"\ud83d\ude00"}"#),
        vec![PLAINTEXT_RESPONSE],
    )
}
