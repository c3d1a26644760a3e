//! Receipts of a service, verified with the checklist of the crate `attestation`.

use std::fs;

use attestation::cms::{RecipientPrivateKey, open_content_key};
use attestation::crypto::Sha256;
use attestation::receipt::{
    AllowedSources, Exchange, LiveRequest, Moment, Receipt, ReceiptBytes, ReceiptOperation,
    ResponseHead, VerifiedIdentity,
};
use attestation::time::UnixMillis;
use attestation::{ClockReading, TrustAnchors, content_key_digest};
use attested_recipient::{Document, Simulator};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use enclave::clock::{Clock, SystemClock};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

use crate::service::{Response, Service};

const NONCE: [u8; 16] = [0xfb; 16];
const RECEIPT: &str = "x-attested-random-receipt";

/// Starts a service with this value of `[receipts] mode`.
fn service_in_mode(mode: &str) -> Service {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("enclave.toml");
    fs::write(&path, format!("[receipts]\nmode = \"{mode}\"\n")).unwrap();
    Service::in_front_of(Simulator::builder().config_file(path).start().unwrap())
}

/// Returns the line of a nonce header.
fn nonce_line(value: &str) -> String {
    format!("X-Attested-Random-Nonce: {value}\r\n")
}

fn nonce() -> String {
    nonce_line(&URL_SAFE_NO_PAD.encode(NONCE))
}

/// Sends a KMS request with additional header lines.
fn send(service: &Service, operation: &str, header_lines: &str, body: &str) -> Response {
    let request = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.1\r\n\
         X-Amz-Target: TrentService.{operation}\r\n{header_lines}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    Response::parse(&service.exchange(request.as_bytes()))
}

/// Verifies the document of `GET /attestation`.
fn identity(service: &Service) -> VerifiedIdentity {
    let request =
        "GET /attestation HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n";
    let response = Response::parse(&service.exchange(request.as_bytes()));
    assert_eq!((response.status, response.header(RECEIPT)), (200, None));
    let body: Value = serde_json::from_str(&response.body).unwrap();
    let document = STANDARD.decode(body["attestation_document"].as_str().unwrap()).unwrap();
    let pem = service.simulator.root_certificate_pem();
    let anchors =
        TrustAnchors::simulator_root(&CertificateDer::from_pem_slice(pem.as_bytes()).unwrap());
    let now = ClockReading::this_machine(SystemClock.now());
    VerifiedIdentity::verify_live(document, &anchors, None, now).unwrap()
}

/// Verifies the receipt of a live exchange with all steps of the checklist, and passes its content to `check`.
fn verify(
    service: &Service,
    operation: ReceiptOperation,
    (request, response): (&str, &Response),
    check: impl FnOnce(&Receipt<'_>),
) {
    let named = response.headers.iter().filter(|(name, _)| name == RECEIPT);
    let receipts: Vec<_> = named.map(|(_, value)| value.as_bytes()).collect();
    let head = ResponseHead {
        status: response.status,
        receipts: &receipts,
        has_content_encoding: response.header("content-encoding").is_some(),
    };
    let bytes = ReceiptBytes::from_response(head).unwrap();
    assert!(receipts[0].len() <= 600);
    let live = LiveRequest {
        now: SystemClock.now(),
        nonce: &NONCE,
        operation,
        request_id: response.header("x-amzn-requestid"),
    };
    let exchange = Exchange {
        request: request.as_bytes(),
        response: response.body.as_bytes(),
        sources: &AllowedSources::nsm(),
        moment: Moment::Live(live),
    };
    check(&bytes.parse().unwrap().verify(&identity(service), &exchange).unwrap());
}

#[test]
fn receipts_of_plain_responses_pass_the_checklist() {
    let service = Service::start();
    let mut sequences = Vec::new();
    for (operation, body) in [
        (ReceiptOperation::GenerateRandom, r#"{"NumberOfBytes":32}"#),
        (ReceiptOperation::GenerateRandom, r#"{"NumberOfBytes":1024}"#),
        (ReceiptOperation::DescribeCustomKeyStores, "{}"),
    ] {
        let response = send(&service, operation.name(), &nonce(), body);
        verify(&service, operation, (body, &response), |receipt| {
            assert_eq!(receipt.content_key_digest, None);
            sequences.push(receipt.sequence);
        });
    }
    assert_eq!(sequences, [1, 2, 3]);
}

#[test]
fn receipt_of_sealed_response_contains_its_content_key_digest() {
    let service = Service::start();
    let pem = include_str!("../../keys/rsa-2048.pem");
    let key = RecipientPrivateKey::from_pem(pem).unwrap();
    let public_key = Some(key.public_key_der().to_vec());
    let document =
        service.simulator.document(&Document { public_key, ..Document::default() }).unwrap();
    let body = json!({
        "NumberOfBytes": 32,
        "Recipient": {
            "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256",
            "AttestationDocument": STANDARD.encode(document),
        },
    });
    let body = body.to_string();
    let mut digests = Vec::new();
    // The enclave has verified the document of the second request before.
    for _ in 0..2 {
        let response = send(&service, "GenerateRandom", &nonce(), &body);
        let json: Value = serde_json::from_str(&response.body).unwrap();
        let sealed = STANDARD.decode(json["CiphertextForRecipient"].as_str().unwrap()).unwrap();
        let expected = content_key_digest(&open_content_key(&sealed, &key).unwrap());
        let exchange = (body.as_str(), &response);
        verify(&service, ReceiptOperation::GenerateRandom, exchange, |receipt| {
            assert_eq!(receipt.content_key_digest, Some(expected));
        });
        digests.push(expected);
    }
    assert_ne!(digests[0], digests[1]);
}

#[test]
fn errors_and_responses_without_nonce_have_no_receipt() {
    let service = Service::start();
    let random = r#"{"NumberOfBytes":32}"#;
    assert_eq!(send(&service, "GenerateRandom", "", random).header(RECEIPT), None);
    let store = r#"{"NumberOfBytes":32,"CustomKeyStoreId":"cks-1234567890abcdef0"}"#;
    for (operation, body) in [
        ("GenerateRandom", "{}"),
        ("GenerateRandom", r#"{"NumberOfBytes":1025}"#),
        ("GenerateRandom", store),
        ("DescribeCustomKeyStores", r#"{"Limit":0}"#),
        ("Encrypt", "{}"),
    ] {
        let response = send(&service, operation, &nonce(), body);
        assert_eq!((response.status, response.header(RECEIPT)), (400, None), "{operation} {body}");
    }
    let unknown = "POST /none HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n";
    let response = service.exchange(format!("{unknown}{}\r\n", nonce()).as_bytes());
    let response = Response::parse(&response);
    assert_eq!((response.status, response.header(RECEIPT)), (400, None));
}

#[test]
fn malformed_or_repeated_nonce_is_rejected() {
    let service = Service::start();
    let (valid, random) = (nonce(), r#"{"NumberOfBytes":32}"#);
    let malformed = [nonce_line("AAAA"), nonce_line(&STANDARD.encode(NONCE)), nonce_line("")];
    for lines in malformed.into_iter().chain([valid.repeat(2)]) {
        let response = send(&service, "GenerateRandom", &lines, random);
        let error: Value = serde_json::from_str(&response.body).unwrap();
        assert_eq!((response.status, response.header(RECEIPT)), (400, None), "{lines}");
        assert_eq!(error["__type"], "ValidationException");
        let message = "x-attested-random-nonce must occur at most once, with 16 to 32 random bytes \
             in base64url without padding: use a new nonce for each attempt";
        assert_eq!(error["message"], message);
    }
    let metrics = service.exchange(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(metrics.contains("attested_random_receipt_nonces_invalid_total 4\n"), "{metrics}");
}

#[test]
fn mode_always_signs_responses_without_nonce() {
    let service = service_in_mode("always");
    let body = r#"{"NumberOfBytes":32}"#;
    let response = send(&service, "GenerateRandom", "", body);
    let header = response.header(RECEIPT).unwrap();
    let bytes = ReceiptBytes::from_header(header.as_bytes()).unwrap();
    let receipt = bytes.parse().unwrap();
    let content = receipt.dangerous_unverified_content();
    assert_eq!(content.nonce, b"");
    assert_eq!(content.response_digest, Sha256::digest(response.body.as_bytes()));
    let response = send(&service, "GenerateRandom", &nonce(), body);
    verify(&service, ReceiptOperation::GenerateRandom, (body, &response), |_| ());
    assert_eq!(send(&service, "GenerateRandom", &nonce(), "{}").header(RECEIPT), None);
}

/// Uses an NSM whose time is not that of this machine.
#[test]
fn receipt_time_is_the_time_of_the_nsm() {
    let now = UnixMillis::from_rfc3339("2040-02-03T10:12:02.437Z").unwrap();
    let service = Service::in_front_of(Simulator::start_at(move || now).unwrap());
    let response = send(&service, "GenerateRandom", &nonce(), r#"{"NumberOfBytes":32}"#);
    let bytes = ReceiptBytes::from_header(response.header(RECEIPT).unwrap().as_bytes()).unwrap();
    assert_eq!(bytes.parse().unwrap().dangerous_unverified_content().time, now);
}

#[test]
fn mode_off_ignores_the_nonce() {
    let service = service_in_mode("off");
    for lines in [nonce(), nonce_line("AAAA"), nonce().repeat(2)] {
        let response = send(&service, "GenerateRandom", &lines, r#"{"NumberOfBytes":32}"#);
        assert_eq!((response.status, response.header(RECEIPT)), (200, None), "{lines}");
    }
}
