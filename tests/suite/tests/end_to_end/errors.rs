//! Tests of the errors that a KMS client receives, with their exact texts.

use crate::service::{Response, Service};
use attested_recipient::{Document, RecipientKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const KEY: &str = include_str!("../../keys/rsa-2048.pem");

fn error(error_type: &str, message: &str) -> String {
    format!(r#"{{"__type":"{error_type}","message":"{message}"}}"#)
}

fn validation(message: &str) -> String {
    error("ValidationException", message)
}

fn one_violation(message: &str) -> String {
    validation(&format!("1 validation error detected: Value {message}"))
}

fn serialization(message: &str) -> String {
    format!(r#"{{"Message":"{message}","__type":"SerializationException"}}"#)
}

fn recipient(document: &str) -> String {
    recipient_with("RSAES_OAEP_SHA_256", document)
}

fn recipient_with(algorithm: &str, document: &str) -> String {
    format!(
        r#"{{"NumberOfBytes":32,"Recipient":{{"KeyEncryptionAlgorithm":"{algorithm}","AttestationDocument":"{document}"}}}}"#
    )
}

#[test]
fn request_errors_name_the_broken_rule() {
    let service = Service::start();
    let generate = "GenerateRandom";
    let describe = "DescribeCustomKeyStores";
    let long_blob = STANDARD.encode(vec![0; 262_145]);
    let long_id = "a".repeat(65);
    let cases: Vec<(&str, String, String)> = vec![
        (generate, "{}".into(), validation("NumberOfBytes is required.")),
        (generate, r#"{"NumberOfBytes":null}"#.into(), validation("NumberOfBytes is required.")),
        (
            generate,
            r#"{"NumberOfBytes":0}"#.into(),
            one_violation(
                "'0' at 'numberOfBytes' failed to satisfy constraint: Member must have value greater than or equal to 1",
            ),
        ),
        (
            generate,
            r#"{"NumberOfBytes":1025}"#.into(),
            one_violation(
                "'1025' at 'numberOfBytes' failed to satisfy constraint: Member must have value less than or equal to 1024",
            ),
        ),
        (
            generate,
            recipient_with("RSAES_OAEP_SHA_1", "AA=="),
            one_violation(
                "'RSAES_OAEP_SHA_1' at 'recipient.keyEncryptionAlgorithm' failed to satisfy constraint: Member must satisfy enum value set: [RSAES_OAEP_SHA_256]",
            ),
        ),
        (
            generate,
            recipient(""),
            one_violation(
                "at 'recipient.attestationDocument' failed to satisfy constraint: Member must have length greater than or equal to 1",
            ),
        ),
        (
            generate,
            recipient(&long_blob),
            one_violation(
                "at 'recipient.attestationDocument' failed to satisfy constraint: Member must have length less than or equal to 262144",
            ),
        ),
        (
            generate,
            format!(r#"{{"NumberOfBytes":32,"CustomKeyStoreId":"{long_id}"}}"#),
            one_violation(&format!(
                "'{long_id}' at 'customKeyStoreId' failed to satisfy constraint: Member must have length less than or equal to 64"
            )),
        ),
        (
            generate,
            r#"{"NumberOfBytes":0,"CustomKeyStoreId":""}"#.into(),
            validation(
                "2 validation errors detected: Value '0' at 'numberOfBytes' failed to satisfy constraint: Member must have value greater than or equal to 1; Value '' at 'customKeyStoreId' failed to satisfy constraint: Member must have length greater than or equal to 1",
            ),
        ),
        (
            generate,
            r#"{"NumberOfBytes":32,"Recipient":{"KeyEncryptionAlgorithm":"RSAES_OAEP_SHA_256"}}"#
                .into(),
            validation("Recipient.AttestationDocument is required."),
        ),
        (
            generate,
            r#"{"NumberOfBytes":32,"Recipient":{"AttestationDocument":"AA=="}}"#.into(),
            validation("Recipient.KeyEncryptionAlgorithm is required."),
        ),
        (
            generate,
            r#"{"NumberOfBytes":[32]}"#.into(),
            serialization("Start of list found where not expected"),
        ),
        (
            generate,
            r#"{"NumberOfBytes":"32"}"#.into(),
            serialization("STRING_VALUE can not be converted to an Integer"),
        ),
        (generate, "[]".into(), serialization("Start of list found where not expected")),
        (
            generate,
            r#"{"NumberOfBytes":1,"NumberOfBytes":1}"#.into(),
            serialization("a member occurs twice at line 1 column 34"),
        ),
        (generate, "NumberOfBytes=32".into(), serialization("expected value at line 1 column 1")),
        (
            generate,
            recipient("AA"),
            serialization(
                "Recipient.AttestationDocument is not base64 (standard alphabet, padded, without white space)",
            ),
        ),
        (
            generate,
            r#"{"NumberOfBytes":32,"CustomKeyStoreId":"cks-1"}"#.into(),
            error("CustomKeyStoreNotFoundException", "The custom key store cks-1 does not exist."),
        ),
        (
            describe,
            r#"{"CustomKeyStoreId":"cks-1"}"#.into(),
            error("CustomKeyStoreNotFoundException", "The custom key store cks-1 does not exist."),
        ),
        (
            describe,
            r#"{"Marker":"m"}"#.into(),
            error(
                "InvalidMarkerException",
                "The marker was not returned by an earlier call of this operation.",
            ),
        ),
        (
            "Encrypt",
            "{}".into(),
            error(
                "UnknownOperationException",
                "operation TrentService.Encrypt is not supported: this service implements \
                 GenerateRandom and DescribeCustomKeyStores",
            ),
        ),
    ];
    for (operation, body, expected) in cases {
        let response = service.kms(operation, &body);
        assert_eq!((response.status, response.body), (400, expected), "{operation} {body:.200}");
    }
}

#[test]
fn document_errors_name_the_broken_rule() {
    let service = Service::start();
    let key = RecipientKey::from_pem(KEY).unwrap();
    let fresh = || Document::for_key(&key);
    let mint = |document: Document| service.simulator.document(&document).unwrap();
    let mut bad_signature = mint(fresh());
    *bad_signature.last_mut().unwrap() ^= 1;
    let foreign = Service::start().simulator.document(&fresh()).unwrap();
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (
            b"fileb://document.bin".to_vec(),
            "the document is the text of a file reference, not the file's content; with AWS CLI v1 write AttestationDocument@=fileb://FILE",
        ),
        (
            STANDARD.encode(mint(fresh())).into_bytes(),
            "the document is base64 text of an attestation document: it was encoded twice; send the raw bytes (with AWS CLI v1 write AttestationDocument@=fileb://FILE)",
        ),
        (
            vec![0],
            "the document is not a COSE_Sign1: a CBOR array of four, untagged or with tag 18 once",
        ),
        (vec![0; 16_385], "the document has 16385 bytes; at most 16384 are allowed"),
        (bad_signature, "the document's signature does not verify"),
        (foreign, "cabundle[0] is not a trust anchor of this service"),
        (
            mint(Document { debug: true, ..fresh() }),
            "the enclave runs in debug mode (PCR0, PCR1 and PCR2 are zero): its measurements prove nothing; start it without --debug-mode",
        ),
        (
            mint(Document { public_key: None, ..fresh() }),
            "the document has no public_key; request one that carries an RSA key as DER SPKI",
        ),
        (
            mint(Document { public_key: Some(KEY.as_bytes()[..1024].to_vec()), ..fresh() }),
            "public_key is PEM; it must be DER (SubjectPublicKeyInfo)",
        ),
        (
            mint(Document { public_key: Some(vec![0x30, 0]), ..fresh() }),
            "public_key is not one canonical DER SubjectPublicKeyInfo",
        ),
    ];
    for (document, expected) in cases {
        let response = service.kms("GenerateRandom", &recipient(&STANDARD.encode(document)));
        let expected = validation(&format!("Recipient.AttestationDocument: {expected}"));
        assert_eq!((response.status, response.body), (400, expected));
    }
}

#[test]
fn stale_document_error_states_age_or_expiry() {
    let service = Service::start();
    let key = RecipientKey::from_pem(KEY).unwrap();
    let rejected = |age_seconds| {
        let document = Document { age_seconds, ..Document::for_key(&key) };
        let document = service.simulator.document(&document).unwrap();
        service.kms("GenerateRandom", &recipient(&STANDARD.encode(document))).body
    };
    let prefix = r#"{"__type":"ValidationException","message":"Recipient.AttestationDocument: "#;
    let old = rejected(400);
    assert!(old.starts_with(&format!("{prefix}the document is too old: 6 min 4")), "{old}");
    assert!(old.contains(" s, at most 5 min is allowed; the enclave's clock shows 20"), "{old}");
    assert!(old.contains("; the document was signed at 20"), "{old}");
    assert!(old.ends_with(r#"; request a new one"}"#), "{old}");
    let expired = rejected(4 * 3600);
    let start = format!("{prefix}the leaf certificate expired at ");
    assert!(expired.starts_with(&start), "{expired}");
    assert!(rejected(290).starts_with(r#"{"CiphertextForRecipient":"#));
}

#[test]
fn rejects_requests_that_are_not_kms_calls() {
    let service = Service::start();
    let unknown = r#"{"__type":"UnknownOperationException"}"#;
    let no_target = error(
        "UnknownOperationException",
        "X-Amz-Target must name one operation: this service implements GenerateRandom and \
         DescribeCustomKeyStores",
    );
    let body = "\r\nContent-Length: 2\r\n\r\n{}";
    let json = "Content-Type: application/x-amz-json-1.1";
    let target = "X-Amz-Target: TrentService.GenerateRandom";
    let cases = [
        ("GET / HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(), 400, unknown.to_owned()),
        (
            format!("POST /other HTTP/1.1\r\nHost: h\r\n{json}\r\n{target}{body}"),
            400,
            unknown.into(),
        ),
        (format!("POST / HTTP/1.1\r\nHost: h\r\n{json}{body}"), 400, no_target.clone()),
        (
            format!("POST / HTTP/1.1\r\nHost: h\r\n{json}\r\n{target}\r\n{target}{body}"),
            400,
            no_target.clone(),
        ),
        (
            format!("POST / HTTP/1.1\r\nHost: h\r\n{json}\r\n{json}\r\n{target}{body}"),
            400,
            validation("Content-Type must be application/x-amz-json-1.1"),
        ),
        (
            format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\n{target}{body}"),
            400,
            validation("Content-Type must be application/x-amz-json-1.1"),
        ),
        (
            format!(
                "POST / HTTP/1.1\r\nHost: h\r\n{json}\r\n{target}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            ),
            400,
            validation("Transfer-Encoding is not supported; send the body with Content-Length"),
        ),
    ];
    for (request, status, expected) in cases {
        let response = Response::parse(&service.exchange(request.as_bytes()));
        assert_eq!((response.status, response.body), (status, expected), "{request}");
    }
}

#[test]
fn requires_exactly_one_host_header_from_http_1_1() {
    let service = Service::start();
    let rejected = || (400, validation("a request must have exactly one Host header"));
    let message = "the Host header must match the authority of the request target";
    let elsewhere = || (400, validation(message));
    for (request, expected) in [
        ("GET /healthz HTTP/1.1\r\n\r\n", rejected()),
        ("GET /healthz HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", rejected()),
        ("GET /healthz HTTP/1.0\r\nHost: h\r\nHost: i\r\n\r\n", rejected()),
        ("GET /healthz HTTP/1.0\r\n\r\n", (200, "ok\n".to_owned())),
        ("GET /healthz HTTP/1.0\r\nHost: h\r\n\r\n", (200, "ok\n".to_owned())),
        ("GET http://H/healthz HTTP/1.1\r\nHost: h\r\n\r\n", (200, "ok\n".to_owned())),
        ("GET http://i/healthz HTTP/1.1\r\nHost: h\r\n\r\n", elsewhere()),
    ] {
        let response = Response::parse(&service.exchange(request.as_bytes()));
        assert_eq!((response.status, response.body), expected, "{request}");
    }
}

#[test]
fn rejects_body_over_512_kib_and_closes() {
    let service = Service::start();
    let at_cap = service.kms("GenerateRandom", &" ".repeat(512 * 1024));
    assert_eq!(at_cap.status, 400);
    let response = service.kms("GenerateRandom", &" ".repeat(512 * 1024 + 1));
    assert_eq!(response.status, 413);
    let message = "The request body exceeds 524288 bytes.";
    assert_eq!(response.body, error("RequestEntityTooLargeException", message));
    assert_eq!(response.header("connection"), Some("close"));
}

#[test]
fn returns_413_instead_of_100_continue() {
    let request = "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\
                   Content-Length: 524289\r\n\r\n";
    let response = Response::parse(&Service::start().exchange(request.as_bytes()));
    assert_eq!(response.status, 413);
}

#[test]
fn every_response_has_the_headers_of_kms() {
    let service = Service::start();
    let mut ids = Vec::new();
    for body in [r#"{"NumberOfBytes":1}"#, "{}"] {
        let response = service.kms("GenerateRandom", body);
        let header = |name| response.header(name).unwrap_or_else(|| panic!("{name}: {response:?}"));
        assert_eq!(header("content-type"), "application/x-amz-json-1.1");
        assert_eq!(header("content-length"), response.body.len().to_string());
        assert_eq!(header("cache-control"), "no-cache, no-store, must-revalidate, private");
        assert_eq!((header("pragma"), header("expires")), ("no-cache", "0"));
        assert!(header("date").ends_with(" GMT"));
        ids.push(header("x-amzn-requestid").to_owned());
    }
    assert!(ids[0].len() == 36 && ids[0] != ids[1], "{ids:?}");
}

#[test]
fn health_and_readiness_need_no_target() {
    let service = Service::start();
    for (path, first_line) in [("/healthz", "ok"), ("/readyz", "ready")] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n");
        let response = Response::parse(&service.exchange(request.as_bytes()));
        assert_eq!((response.status, response.body.lines().next()), (200, Some(first_line)));
    }
}

#[test]
fn lists_no_key_stores_by_default() {
    let response = Service::start().kms("DescribeCustomKeyStores", "{}");
    assert_eq!((response.status, response.body.as_str()), (200, r#"{"CustomKeyStores":[]}"#));
}
