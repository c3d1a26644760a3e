//! Seeds of the target for HTTP: the rows E of the corpus of hostile input.

use crate::placeholder;

const TARGET: &str = "X-Amz-Target: TrentService.GenerateRandom\r\n";
const TYPE: &str = "Content-Type: application/x-amz-json-1.1\r\n";
const PLAIN: &str = r#"{"NumberOfBytes":32}"#;
const ATTESTED: &str = r#"{"NumberOfBytes":32,"Recipient":{"KeyEncryptionAlgorithm":"RSAES_OAEP_SHA_256","AttestationDocument":"$D"}}"#;

pub(super) fn inputs() -> Vec<Vec<u8>> {
    let mut inputs: Vec<String> = vec![post(PLAIN), post(ATTESTED), post("{}"), post("x")];
    inputs.push(post(r#"{"NumberOfBytes":1,"CustomKeyStoreId":"cks-1"}"#));
    inputs.push(post(r#"{"NumberOfBytes":1024}"#));
    inputs.push(post(&ATTESTED.replace("$D", "hEShATgi")));
    inputs.push(post(PLAIN).replace("GenerateRandom", "DescribeCustomKeyStores"));
    inputs.push(post("{}").replace("GenerateRandom", "DescribeCustomKeyStores"));
    inputs.extend(HEADERS.map(with));
    inputs.extend(BODY_HEADERS.map(with_length));
    inputs.extend(REQUESTS.map(str::to_owned));
    inputs.push(with("").repeat(5));
    inputs.push([with("Transfer-Encoding: chunked\r\n"), post(PLAIN)].concat());
    inputs.push([post("x"), post(PLAIN), post(ATTESTED)].concat());
    inputs.push(with(&"a: b\r\n".repeat(97)));
    inputs.push(with(&format!("a: {}\r\n", "b".repeat(17_000))));
    inputs.push(post(PLAIN).replace("POST /", &format!("POST /{}", "a".repeat(17_000))));
    inputs.push(post(PLAIN).replace("POST /", "POST /#?a"));
    inputs.push(with_length("Content-Length: 600000\r\nExpect: 100-continue\r\n"));
    let mut inputs: Vec<Vec<u8>> = inputs.into_iter().map(String::into_bytes).collect();
    inputs.push(post(PLAIN).into_bytes().into_iter().chain(*b"\0\xff").collect());
    inputs.push(b"POST / HTTP/1.1\r\nHost: \xff\r\nX-Amz-Target: \xff\r\n\r\n".to_vec());
    inputs
}

/// Returns a valid request with this body. Content-Length is the length of the body after its
/// placeholders are replaced.
fn post(body: &str) -> String {
    let length = placeholder::expand(body.as_bytes(), &[placeholder::document()]).len();
    format!("POST / HTTP/1.1\r\nHost: h\r\n{TYPE}{TARGET}Content-Length: {length}\r\n\r\n{body}")
}

fn with(header: &str) -> String {
    post(PLAIN).replacen("Host: h\r\n", &format!("Host: h\r\n{header}"), 1)
}

fn with_length(header: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: h\r\n{TYPE}{TARGET}{header}\r\n{PLAIN}")
}

const HEADERS: [&str; 18] = [
    "Connection: close\r\n",
    "Expect: 100-continue\r\n",
    "Expect: something\r\n",
    "Content-Length: 20\r\n",
    "Content-Length: 21\r\n",
    "X-Amz-Target: TrentService.GenerateRandom\r\n",
    "Content-Type: text/plain\r\n",
    "Folded: a\r\n b\r\n",
    "Space : a\r\n",
    "Nul: a\0b\r\n",
    "\r\n",
    ": a\r\n",
    "Upgrade: h2c\r\nConnection: Upgrade\r\n",
    "Authorization: AWS4-HMAC-SHA256 Credential=a/20270115/r/kms/aws4_request, SignedHeaders=host, Signature=0\r\n",
    "Escape: \x1b[31m\r\n",
    "a: b\n",
    "Transfer-Encoding: identity\r\n",
    "Connection: keep-alive, close\r\n",
];

const BODY_HEADERS: [&str; 14] = [
    "",
    "Content-Length: 19\r\n",
    "Content-Length: 200\r\n",
    "Content-Length: -1\r\n",
    "Content-Length: +20\r\n",
    "Content-Length: 20, 20\r\n",
    "Content-Length: 0x14\r\n",
    "Content-Length: 18446744073709551615\r\n",
    "Content-Length: 18446744073709551616\r\n",
    "Content-Length: 524289\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked\r\nContent-Length: 20\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding: xchunked\r\n",
];

const REQUESTS: [&str; 18] = [
    "",
    "\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n",
    "GET /readyz HTTP/1.1\r\n\r\n",
    "GET /metrics HTTP/1.1\r\n\r\n",
    "HEAD /healthz HTTP/1.1\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n",
    "GET http://h/healthz?x HTTP/1.1\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\n\r\n",
    "CONNECT h:80 HTTP/1.1\r\n\r\n",
    "GET /healthz HTTP/1.0\r\n\r\n",
    "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n",
    "GET / HTTP/2.0\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "GET /healthz\r\n",
    "\x16\x03\x01\x02\0\x01",
    "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n",
    "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;ext\r\nhello\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n",
    "get / http/1.1\n\n",
];
