//! Seeds of the target for signed requests:
//! - Requests with valid signatures.
//! - Requests that were changed after signing.
//! - Correctly signed requests that break a rule in the section "Credentials" of
//!   `docs/configuration.md`.

use crate::signed_request::request_builder::{
    ATTESTED, Credential, EXPIRED, HTTP_DATE, PLAIN, PLAIN_SHA_256, RECIPIENT_ONLY, RequestBuilder,
    SESSION,
};
use crate::signed_request::valid_requests::{self, ValidRequest};

pub(super) fn inputs() -> Vec<Vec<u8>> {
    let [plain, attested, session, ..] = valid_requests::all() else {
        panic!("at least three valid requests")
    };
    let [plain, attested, session] = [plain, attested, session].map(ValidRequest::input);
    let mut inputs: Vec<String> = valid_requests::all().iter().map(ValidRequest::input).collect();
    inputs.extend(CHANGES.map(|(from, to)| changed(&plain, from, to)));
    inputs.extend(TOKEN_CHANGES.map(|(from, to)| changed(&session, from, to)));
    // The next inputs remove, add or replace the Recipient.
    inputs.push(RequestBuilder::valid().body(PLAIN).with_signature("$1"));
    inputs.push(RequestBuilder::valid().body(ATTESTED).with_signature("$0"));
    const OTHER: &str = r#"{"NumberOfBytes":32,"Recipient":{"KeyEncryptionAlgorithm":"RSAES_OAEP_SHA_256","AttestationDocument":"hEShATgi"}}"#;
    inputs.push(RequestBuilder::valid().body(OTHER).with_signature("$1"));
    // The signed hash differs from the hash of the body.
    let hashed = RequestBuilder::valid().with("X-Amz-Content-Sha256", PLAIN_SHA_256);
    inputs.push(changed(&hashed.signed(), ":32", ":33"));
    inputs.extend(rejected().iter().map(RequestBuilder::signed));
    inputs.extend(authorization_headers(&plain));
    // Several requests on one connection: the signature of one does not authenticate the next.
    let unsigned = changed(&plain, "Authorization", "X");
    inputs.push([&*plain, &unsigned, &plain].concat());
    inputs.push([&*session, &attested, &plain].concat());
    inputs.push([&*plain, &changed(&plain, ":32", ":33")].concat());
    inputs.into_iter().map(String::into_bytes).collect()
}

fn changed(input: &str, from: &str, to: &str) -> String {
    assert!(input.contains(from), "{from} does not occur");
    input.replacen(from, to, 1)
}

/// Changes of a request after it was signed: a text and its replacement.
const CHANGES: [(&str, &str); 40] = [
    ("NumberOfBytes\":32", "NumberOfBytes\":33"),
    ("{\"NumberOfBytes\":32}", "{\"NumberOfBytes\":9 }"),
    ("Host: kms", "Host: kmz"),
    ("Host: kms", "Host: KMS"),
    ("Host: kms", "Host: kms\r\nHost: kms"),
    ("Host: kms\r\n", ""),
    ("Host: kms", "Host:   kms  "),
    ("20270115T080000Z", "20270115T080001Z"),
    ("20270115T080000Z", "20270115t080000z"),
    ("X-Amz-Date", "Date"),
    ("X-Amz-Date: 2", "X-Amz-Date: 20270115T080000Z\r\nX-Amz-Date: 2"),
    ("X-Amz-Target", "x-amz-target"),
    ("GenerateRandom", "DescribeCustomKeyStores"),
    ("X-Amz-Target: ", "X-Amz-Target: TrentService.GenerateRandom\r\nX-Amz-Target: "),
    ("Content-Type: ", "Content-Type: text/plain\r\nContent-Type: "),
    ("json-1.1", "json-1.0"),
    ("json-1.1", "json-1.1; charset=utf-8"),
    ("POST / ", "POST /? "),
    ("POST / ", "POST /?X-Amz-Signature=0 "),
    ("POST / ", "POST /# "),
    ("POST / ", "POST // "),
    ("POST / ", "POST http://kms/ "),
    ("POST / ", "POST http://elsewhere "),
    ("POST / ", "GET / "),
    ("HTTP/1.1", "HTTP/1.0"),
    ("Content-Length: 20", "Content-Length: 19"),
    ("Content-Length: 20", "Transfer-Encoding: chunked"),
    ("AKIDOFMANY", "AKIDOFARECIPIENT"),
    ("AKIDOFMANY", "AKIDOFNOBODY"),
    ("AKIDOFMANY", "AKID/OF/MANY"),
    ("/20270115/", "/20270114/"),
    ("eu-west-1", "eu-west-2"),
    ("/kms/", "/sts/"),
    ("aws4_request", "aws5_request"),
    ("content-type;host;", "host;content-type;"),
    ("content-type;host;", "content-type;host;host;"),
    ("content-type;host;", "content-type;"),
    ("content-type;host;", "absent;content-type;host;"),
    ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
    ("Signature=$0", "Signature=$1"),
];

const TOKEN_CHANGES: [(&str, &str); 5] = [
    ("token/of", "token/OF"),
    ("X-Amz-Security-Token: ", "X-Amz-Security-Token: token\r\nX-Amz-Security-Token: "),
    ("X-Amz-Security-Token: ", "X-Amz-Security-Tokem: "),
    ("ASIAOFASESSION", "AKIDOFMANY"),
    (";x-amz-security-token", ""),
];

/// Returns requests with other forms of the Authorization header.
fn authorization_headers(plain: &str) -> Vec<String> {
    let header = plain.lines().find(|line| line.starts_with("Authorization: "));
    let header = header.expect("the request has an Authorization header");
    let (_, parameters) = header.split_once("SHA256 ").expect("an algorithm");
    let [credential, signed_headers, signature] = &parameters.split(", ").collect::<Vec<_>>()[..]
    else {
        panic!("three parameters")
    };
    let with = |value: &str| {
        plain.replacen(header, &format!("Authorization: AWS4-HMAC-SHA256 {value}"), 1)
    };
    vec![
        with(&format!("{signature},{signed_headers},{credential}")),
        with(&format!("  {signed_headers} , {credential} ,{signature}  ")),
        with(&format!("{credential},{signed_headers},{signature},{signature}")),
        with(&format!("{credential},{signed_headers},{signature},")),
        with(&format!("{credential},{signed_headers}")),
        with(&format!("{credential},{signed_headers},Signature=")),
        with(&format!("{credential},{signed_headers},Signature=0x$0")),
        with(&format!("{credential},{signed_headers},Signature={}", "A".repeat(64))),
        with(""),
        plain.replacen(header, &format!("{header}\r\n{header}"), 1),
        plain.replacen(header, &format!("{header}\r\nAuthorization: Basic AA=="), 1),
        plain.replacen(&format!("{header}\r\n"), "", 1).replacen(
            "POST",
            &format!("{header}\r\nPOST"),
            1,
        ),
        plain.replacen("Host", &format!("{header}\r\nHost"), 1).replacen(
            &format!("{header}\r\nContent"),
            "Content",
            1,
        ),
    ]
}

/// Returns requests with a correct signature that the service rejects for another reason.
fn rejected() -> Vec<RequestBuilder> {
    [wrong_credentials(), wrong_headers(), wrong_dates_and_scopes(), wrong_request_lines()].concat()
}

fn wrong_credentials() -> Vec<RequestBuilder> {
    const UNKNOWN_KEY: Credential =
        Credential { access_key_id: "AKIDOFNOBODY", secret: "guessed", session_token: None };
    const WRONG_SECRET: Credential =
        Credential { access_key_id: "AKIDOFMANY", secret: "guessed", session_token: None };
    const MISSING_TOKEN: Credential = Credential { session_token: None, ..SESSION };
    const WRONG_TOKEN: Credential = Credential { session_token: Some("token"), ..SESSION };
    const UNEXPECTED_TOKEN: Credential =
        Credential { session_token: Some("token"), ..RECIPIENT_ONLY };
    let valid = RequestBuilder::valid;
    vec![
        valid().with_credential(&UNKNOWN_KEY),
        valid().with_credential(&WRONG_SECRET),
        valid().with_credential(&EXPIRED),
        valid().with_credential(&MISSING_TOKEN),
        valid().with_credential(&WRONG_TOKEN),
        valid().with_credential(&UNEXPECTED_TOKEN).body(ATTESTED),
    ]
}

fn wrong_headers() -> Vec<RequestBuilder> {
    let valid = RequestBuilder::valid;
    vec![
        valid().unsigned("Host"),
        valid().unsigned("X-Amz-Date"),
        valid().unsigned("X-Amz-Target"),
        valid().unsigned("Content-Type").set("Content-Type", "text/plain"),
        valid().unsigned("Content-Type").with("Content-Type", "application/x-amz-json-1.1"),
        valid().with_credential(&SESSION).unsigned("X-Amz-Security-Token"),
        valid().with("X-Amz-Meta", "a").unsigned("X-Amz-Meta"),
        valid().without("X-Amz-Date").with("Date", HTTP_DATE).unsigned("Date"),
        valid().without("X-Amz-Date").with("Date", HTTP_DATE).with("Date", HTTP_DATE),
        valid().without("X-Amz-Date").with("Date", "Fri, 15 Jan 2027 08:00:01 GMT"),
        valid().with("Host", "kms"),
        valid().with("X-Amz-Date", "20270115T080000Z"),
        valid().with("X-Amz-Target", "TrentService.GenerateRandom"),
        valid().with("Content-Type", "application/x-amz-json-1.1"),
        valid().with("X-Amz-Content-Sha256", "a").with("X-Amz-Content-Sha256", "a"),
        valid().payload_hash("UNSIGNED-PAYLOAD"),
        valid().with("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD").payload_hash("UNSIGNED-PAYLOAD"),
        valid()
            .with("X-Amz-Content-Sha256", PLAIN_SHA_256)
            .body(ATTESTED)
            .payload_hash(PLAIN_SHA_256),
    ]
}

fn wrong_dates_and_scopes() -> Vec<RequestBuilder> {
    let valid = RequestBuilder::valid;
    vec![
        valid().without("X-Amz-Date"),
        valid().set("X-Amz-Date", "20270115T075459Z"),
        valid().set("X-Amz-Date", "20270115T080501Z"),
        valid().set("X-Amz-Date", "20270114T080000Z").scope("20270114/eu-west-1/kms/aws4_request"),
        valid().set("X-Amz-Date", "2027-01-15T08:00:00Z"),
        valid().set("X-Amz-Date", "20270115T080000+0000"),
        valid().set("X-Amz-Date", ""),
        valid().scope("20270114/eu-west-1/kms/aws4_request"),
        valid().scope("20270115/us-east-1/kms/aws4_request"),
        valid().scope("20270115/eu-west-1/sts/aws4_request"),
        valid().scope("20270115/eu-west-1/kms/aws5_request"),
        valid().scope("20270115/eu-west-1/kms"),
        valid().scope("20270115/eu-west-1/kms/aws4_request/"),
    ]
}

fn wrong_request_lines() -> Vec<RequestBuilder> {
    let valid = RequestBuilder::valid;
    vec![
        valid().query(""),
        valid().query("Action=GenerateRandom"),
        valid().method("PUT"),
        valid().path("//"),
        valid().path("/x"),
    ]
}
