//! Seeds of the target for request bodies.

/// A Recipient as a member of a request.
const RECIPIENT: &str = r#""Recipient":{"KeyEncryptionAlgorithm":"RSAES_OAEP_SHA_256","AttestationDocument":"hEShATgi"}"#;

pub(super) fn inputs() -> Vec<Vec<u8>> {
    let mut bodies: Vec<Vec<u8>> = BODIES.iter().map(|body| body.to_vec()).collect();
    bodies.push(format!(r#"{{"NumberOfBytes":32,{RECIPIENT}}}"#).into());
    bodies.push(format!(r#"{{"NumberOfBytes":32,{RECIPIENT},{RECIPIENT}}}"#).into());
    for number in NUMBERS {
        bodies.push(format!(r#"{{"NumberOfBytes":{number}}}"#).into());
    }
    for document in ["", "AA==", "AA=", "AA", "AB==", "A-_A", "A A=", "AA==\\n", "\\u0041A=="] {
        let recipient = RECIPIENT.replace("hEShATgi", document);
        bodies.push(recipient.replacen("\"Rec", "{\"NumberOfBytes\":1,\"Rec", 1).into_bytes());
        bodies.push(format!("{{\"NumberOfBytes\":1,{recipient}}}").into());
    }
    for length in [0, 1, 64, 65, 256, 257, 1024, 1025, 5000] {
        let text = "é".repeat(length);
        bodies.push(format!(r#"{{"NumberOfBytes":1,"CustomKeyStoreId":"{text}","CustomKeyStoreName":"{text}","Marker":"{text}"}}"#).into());
    }
    for depth in [3, 127, 128, 129, 1000] {
        bodies.push(nested(&"[".repeat(depth), &"]".repeat(depth)));
        bodies.push(nested(&"{\"a\":".repeat(depth), &format!("1{}", "}".repeat(depth))));
    }
    for members in [63, 64, 65] {
        let members: Vec<String> = (0..members).map(|member| format!(r#""{member}":0"#)).collect();
        bodies.push(format!("{{{}}}", members.join(",")).into());
    }
    bodies
}

/// Returns a request with a nested value as a member.
fn nested(open: &str, close: &str) -> Vec<u8> {
    format!(r#"{{"NumberOfBytes":1,"x":{open}{close}}}"#).into()
}

/// Values of NumberOfBytes.
const NUMBERS: [&str; 16] = [
    "0",
    "1",
    "1024",
    "1025",
    "-1",
    "-0",
    "1e3",
    "32.0",
    "\"32\"",
    "true",
    "null",
    "18446744073709551616",
    "9223372036854775808",
    "NaN",
    "01",
    "1e999",
];

const BODIES: [&[u8]; 26] = [
    b"",
    b"{}",
    b"null",
    b"[]",
    b"1",
    b"\"\"",
    b"{",
    b"{\"NumberOfBytes\":32}",
    b"{\"NumberOfBytes\":32,}",
    b"{\"NumberOfBytes\":32}x",
    b"{\"NumberOfBytes\":32}\0",
    b"\xef\xbb\xbf{\"NumberOfBytes\":32}",
    b"\xff\xfe{\0}\0",
    b"{\"NumberOfBytes\":1,\"NumberOfBytes\":2}",
    b"{\"NumberOfBytes\":1,\"\\u004eumberOfBytes\":2}",
    b"{\"CustomKeyStoreId\":\"\\ud800\",\"NumberOfBytes\":1}",
    b"{\"CustomKeyStoreId\":\"\\ud83d\\ude00\",\"NumberOfBytes\":1}",
    b"{\"CustomKeyStoreId\":\"\xff\",\"NumberOfBytes\":1}",
    b"{\"CustomKeyStoreId\":\"\x01\"}",
    b"{\"NumberOfBytes\":1,\"Recipient\":null}",
    b"{\"NumberOfBytes\":1,\"Recipient\":{}}",
    b"{\"NumberOfBytes\":1,\"Recipient\":{\"KeyEncryptionAlgorithm\":\"rsaes_oaep_sha_256\"}}",
    b"{\"NumberOfBytes\":1,\"Recipient\":[]}",
    b"{\"Limit\":1000,\"Marker\":\"m\"}",
    b"{\"Limit\":0}",
    b"{\"x\":{\"a\":1,\"a\":2},\"NumberOfBytes\":1}",
];
