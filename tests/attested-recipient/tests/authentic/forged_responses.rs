//! Responses that a relay forges or replays. Each is rejected for its own reason.

use std::sync::Arc;

use attestation::receipt::ReceiptError;
use attested_recipient::verified_connection::{ConnectionError, FramingError};
use simulator::SimulatedPki;

use crate::enclave::{Settings, TestEnclave, pki, verifier};
use crate::http::Message;
use crate::relay::Relay;
use crate::verified_connection::request;

/// Sends two requests through a relay that forges the second response. Returns the error.
async fn forged(
    enclave: &TestEnclave,
    pki: &SimulatedPki,
    mut forge: impl FnMut(&[Message], &Message, Message) -> Vec<u8> + Send + 'static,
) -> ConnectionError {
    let relay = Relay::start(&enclave.address).await;
    let mut seen = Vec::new();
    relay.forge(move |request, response| match seen.is_empty() {
        true => {
            seen.push(response.clone());
            Some(response.to_bytes())
        }
        false => Some(forge(&seen, request, response)),
    });
    let mut connection = verifier("http", &relay.address, pki).open().await.unwrap();
    connection.send(&request()).await.unwrap();
    let error = connection.send(&request()).await.unwrap_err();
    assert!(!connection.is_open());
    error
}

fn receipt_error(error: ConnectionError) -> ReceiptError {
    match error {
        ConnectionError::Receipt { error } => error,
        other => panic!("{other}"),
    }
}

const RECEIPT: &str = "x-attested-random-receipt";

#[tokio::test]
async fn rejects_replayed_and_foreign_receipts() {
    let pki = pki();
    let enclave = TestEnclave::start(Settings::new(&pki)).await;
    let replay = forged(&enclave, &pki, |seen, _, _| seen[0].to_bytes()).await;
    assert_eq!(receipt_error(replay), ReceiptError::OtherNonce);
    // The old receipt with the new body.
    let swapped = forged(&enclave, &pki, |seen, _, response| {
        let receipt = seen[0].value(RECEIPT).unwrap().to_owned();
        let old = response.value(RECEIPT).unwrap().to_owned();
        response.replacing(&old, &receipt).to_bytes()
    });
    assert_eq!(receipt_error(swapped.await), ReceiptError::OtherResponse);
    // The response of the same enclave to another body with the same nonce.
    let own = Arc::new(enclave);
    let same = Arc::clone(&own);
    let another = forged(&own, &pki, move |_, request, _| {
        let mut other = request.clone();
        other.body = br#"{"NumberOfBytes":16}"#.to_vec();
        same.respond(&other).to_bytes()
    });
    assert_eq!(receipt_error(another.await), ReceiptError::OtherRequest);
    // The response of another attested enclave to the same request.
    let other = TestEnclave::start(Settings::new(&pki)).await;
    let foreign = forged(&own, &pki, move |_, request, _| other.respond(request).to_bytes());
    assert!(matches!(receipt_error(foreign.await), ReceiptError::OtherKey { .. }));
    // A response with another body.
    let flipped = forged(&own, &pki, |_, _, mut response| {
        response.body[15] ^= 1;
        response.to_bytes()
    });
    assert_eq!(receipt_error(flipped.await), ReceiptError::OtherResponse);
    // Another request identifier.
    let id = forged(&own, &pki, |_, _, response| {
        let id = response.value("x-amzn-RequestId").unwrap().to_owned();
        response.replacing(&id, &"0".repeat(36)).to_bytes()
    });
    assert!(matches!(receipt_error(id.await), ReceiptError::OtherRequestId { .. }));
}

#[tokio::test]
async fn rejects_forged_heads() {
    let pki = pki();
    let enclave = TestEnclave::start(Settings::new(&pki)).await;
    let stripped = forged(&enclave, &pki, |_, _, response| response.without(RECEIPT).to_bytes());
    assert_eq!(receipt_error(stripped.await), ReceiptError::NoReceipt);
    for status in [201, 206, 299, 302] {
        let other = forged(&enclave, &pki, move |_, _, response| {
            response.replacing("HTTP/1.1 200", &format!("HTTP/1.1 {status}")).to_bytes()
        });
        assert_eq!(receipt_error(other.await), ReceiptError::Status { status });
    }
    let twice = forged(&enclave, &pki, |_, _, response| {
        let line = format!("{RECEIPT}: {}\r\n", response.value(RECEIPT).unwrap());
        response.with_lines(&line).to_bytes()
    });
    assert_eq!(receipt_error(twice.await), ReceiptError::SeveralReceipts { count: 2 });
}

#[tokio::test]
async fn rejects_other_framing() {
    use FramingError::{
        BodyTooLong, ContentEncoding, ContentLength, ContentLengthCount, ExtraBytes, HeadTooLong,
        Informational, NotHttp, Trailer, TransferEncoding,
    };
    type Forge = fn(Message) -> Vec<u8>;
    let pki = pki();
    let enclave = TestEnclave::start(Settings::new(&pki)).await;
    let cases: [(Forge, FramingError); 13] = [
        (
            |response| response.with_lines("Content-Encoding: identity\r\n").to_bytes(),
            ContentEncoding,
        ),
        (|response| response.with_lines("Trailer: a\r\n").to_bytes(), Trailer),
        (
            |response| [b"HTTP/1.1 100 Continue\r\n\r\n", &*response.to_bytes()].concat(),
            Informational { status: 100 },
        ),
        (
            |response| [b"HTTP/1.1 103 Hints\r\nLink: a\r\n\r\n", &*response.to_bytes()].concat(),
            Informational { status: 103 },
        ),
        (
            |response| response.with_lines("Transfer-Encoding: chunked\r\n").to_bytes(),
            TransferEncoding,
        ),
        (
            |response| {
                let line = format!("content-length: {}\r\n", response.body.len());
                response.with_lines(&line).to_bytes()
            },
            ContentLengthCount { count: 2 },
        ),
        (|response| response.without("content-length").to_bytes(), ContentLengthCount { count: 0 }),
        (|response| response.replacing("Length: ", "Length: +").to_bytes(), ContentLength),
        (|response| [response.to_bytes(), b"HTTP".to_vec()].concat(), ExtraBytes),
        (
            |response| response.replacing("Content-Length: ", "Content-Length: 999").to_bytes(),
            BodyTooLong { length: 99_960, limit: 65_536 },
        ),
        (|response| response.replacing("HTTP/1.1", "HTTP/1.0").to_bytes(), NotHttp),
        (|response| response.with_lines("a : b\r\n").to_bytes(), NotHttp),
        (
            |response| response.with_lines(&"a: b\r\n".repeat(100)).to_bytes(),
            HeadTooLong { limit: 16_384 },
        ),
    ];
    for (number, (forge, expected)) in cases.into_iter().enumerate() {
        let error = forged(&enclave, &pki, move |_, _, response| forge(response)).await;
        match error {
            ConnectionError::Framing(error) => assert_eq!(error, expected, "case {number}"),
            other => panic!("case {number}: {other}"),
        }
    }
}
