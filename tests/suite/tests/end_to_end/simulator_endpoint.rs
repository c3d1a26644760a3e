//! Tests of the route `POST /simulator/attest` with other clients than `attested-recipient`.

use attested_recipient::{Document, RecipientKey, Simulator};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::service::{Response, Service};

/// Starts and stops a simulator inside a runtime. These calls block, but must not panic because of
/// nested runtimes.
#[tokio::test]
async fn simulator_runs_inside_an_async_test() {
    let simulator = Simulator::start().unwrap();
    let key = RecipientKey::from_pem(include_str!("../../keys/rsa-2048.pem")).unwrap();
    let document = simulator.document(&Document::for_key(&key)).unwrap();
    let client = simulator.client().unwrap();
    let sealed = client.generate_random_for(7, &document).unwrap();
    assert_eq!(key.open(&sealed).unwrap().len(), 7);
}

#[test]
fn returns_document_as_json_when_accepted() {
    let service = Service::start();
    let request = "POST /simulator/attest HTTP/1.1\r\nHost: h\r\nAccept: application/json\r\n\
                   Content-Length: 2\r\n\r\n{}";
    let response = Response::parse(&service.exchange(request.as_bytes()));
    assert_eq!(response.header("content-type"), Some("application/json"));
    let body: serde_json::Value = serde_json::from_str(&response.body).unwrap();
    let document = STANDARD.decode(body["attestation_document"].as_str().unwrap()).unwrap();
    assert!(document.starts_with(&[0x84, 0x44, 0xa1, 0x01, 0x38, 0x22, 0xa0]));
}

#[test]
fn rejects_invalid_document_request_with_reason() {
    let service = Service::start();
    let long = STANDARD.encode([0; 1025]);
    for (body, reason) in [
        (r#"{"kind":"tpm"}"#.to_owned(), "unknown variant `tpm`, expected `enclave` or `nitrotpm`"),
        (r#"{"pcr":{}}"#.to_owned(), "unknown field `pcr`"),
        (r#"{"pcrs":{"0":"00"}}"#.to_owned(), "expected 48 bytes in hexadecimal"),
        (format!(r#"{{"pcrs":{{"32":"{}"}}}}"#, "00".repeat(48)), "pcrs: index 32 is out of range"),
        (r#"{"nonce":"AA"}"#.to_owned(), "expected standard padded base64"),
        (format!(r#"{{"nonce":"{long}"}}"#), "nonce has 1025 bytes, more than 1024"),
        (r#"{"age_seconds":99999999999}"#.to_owned(), "the simulated root is not valid at"),
        ("".to_owned(), "EOF while parsing"),
    ] {
        let request = format!(
            "POST /simulator/attest HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let response = Response::parse(&service.exchange(request.as_bytes()));
        assert_eq!(response.status, 400, "{body}");
        assert!(response.body.contains(reason), "{body}: {}", response.body);
    }
}
