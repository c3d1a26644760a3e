//! The target for the statements of a receipt key: arbitrary bytes as a receipt and as an audit digest, with and
//! without base64.

use std::sync::OnceLock;

use attestation::crypto::Es256Key;
use attestation::receipt::{
    MAX_RECEIPT_HEADER_LENGTH, NONCE_LENGTHS, Receipt, ReceiptBytes, ReceiptOperation,
};
use attestation::{KeyId, SignedAuditDigest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ciborium::Value;

use crate::shortest_form;

/// The positions of the key identifier in a statement.
const KEY_ID: std::ops::Range<usize> = 10..42;

const SIGNATURE_LENGTH: usize = 64;

/// Checks that a parsed statement has exactly the bytes of its content, and that no input verifies with a key
/// that did not sign it.
pub fn run(data: &[u8]) {
    check_receipt(data);
    let encoded = STANDARD.encode(data);
    check_receipt(encoded.as_bytes());
    check_digest(SignedAuditDigest::parse(data.to_vec()), data);
    if let Ok(text) = str::from_utf8(data) {
        let decoded = STANDARD.decode(text).unwrap_or_default();
        check_digest(SignedAuditDigest::from_base64(text), &decoded);
    }
}

fn check_receipt(header: &[u8]) {
    let Ok(bytes) = ReceiptBytes::from_header(header) else { return };
    assert!(header.len() <= MAX_RECEIPT_HEADER_LENGTH);
    let Ok(parsed) = bytes.parse() else { return };
    let receipt = parsed.dangerous_unverified_content();
    let signed = receipt.sign(key()).expect("the provider signs");
    assert_eq!(signed.len(), header.len());
    let decode = |header: &[u8]| STANDARD.decode(header).expect("canonical base64");
    let header = decode(header);
    compare(&header, &decode(signed.as_bytes()), parsed.key_id());
    compare_values(receipt, payload(&header));
}

fn check_digest(
    parsed: Result<SignedAuditDigest, attestation::AuditDigestError>,
    statement: &[u8],
) {
    let Ok(parsed) = parsed else { return };
    parsed.verify(key().public_key()).expect_err("another key signed the statement");
    assert!(shortest_form::skip_item(payload(statement)).is_empty(), "bytes follow the map");
    assert_eq!(statement.get(KEY_ID), Some(&parsed.key_id().0[..]));
}

/// Compares a statement with one of the same content by [`key`]. Only the keys and the signatures differ.
fn compare(statement: &[u8], signed: &[u8], key_id: KeyId) {
    let parts = |bytes: &[u8]| {
        let (signed, _) = bytes.split_at(bytes.len() - SIGNATURE_LENGTH);
        [&signed[..KEY_ID.start], &signed[KEY_ID.end..]].concat()
    };
    assert_eq!(parts(statement), parts(signed));
    assert_eq!(statement.get(KEY_ID), Some(&key_id.0[..]));
}

/// Returns the payload of a well-formed statement, which ciborium reads.
fn payload(statement: &[u8]) -> &[u8] {
    assert!(shortest_form::skip_item(statement).is_empty(), "bytes follow the statement");
    let value: Value = ciborium::from_reader(statement).expect("ciborium accepts the statement");
    let Value::Tag(18, parts) = value else { panic!("no tagged COSE_Sign1") };
    let parts = parts.into_array().expect("an array");
    let [_, Value::Map(unprotected), Value::Bytes(payload), Value::Bytes(signature)] = &parts[..]
    else {
        panic!("not the parts of a COSE_Sign1")
    };
    assert!(unprotected.is_empty());
    assert_eq!(signature.len(), SIGNATURE_LENGTH);
    let end = statement.len() - SIGNATURE_LENGTH - 2;
    &statement[end - payload.len()..end]
}

/// Checks that ciborium reads the same members, in deterministic order (RFC 8949 section 4.2.1).
fn compare_values(receipt: &Receipt<'_>, payload: &[u8]) {
    assert!(shortest_form::skip_item(payload).is_empty(), "bytes follow the map");
    let value: Value = ciborium::from_reader(payload).expect("ciborium accepts the payload");
    let members = value.into_map().expect("a map");
    let names: Vec<&str> = members.iter().filter_map(|(name, _)| name.as_text()).collect();
    assert!(names.is_sorted_by_key(|name| (name.len(), *name)), "{names:?}");
    let integer = |number: u64| Value::Integer(number.into());
    let text = |text: &str| Value::Text(text.to_owned());
    let bytes = |bytes: &[u8]| Value::Bytes(bytes.to_vec());
    let expected = [
        ("v", Some(integer(1))),
        ("id", Some(text(receipt.request_id))),
        ("op", Some(text(receipt.operation.name()))),
        ("cek", receipt.content_key_digest.map(|digest| bytes(&digest))),
        ("req", Some(bytes(&receipt.request_digest))),
        ("res", Some(bytes(&receipt.response_digest))),
        ("seq", Some(integer(receipt.sequence))),
        ("src", receipt.source.map(text)),
        ("time", Some(integer(receipt.time.as_millis()))),
        ("nonce", Some(bytes(receipt.nonce))),
    ];
    let present = expected.into_iter().filter_map(|(name, value)| Some((text(name), value?)));
    assert_eq!(members, present.collect::<Vec<_>>());
    assert!(receipt.nonce.is_empty() || NONCE_LENGTHS.contains(&receipt.nonce.len()));
    let is_random = receipt.operation == ReceiptOperation::GenerateRandom;
    assert_eq!(receipt.source.is_some(), is_random);
    assert!(is_random || receipt.content_key_digest.is_none());
}

/// Returns a key that signs no input.
fn key() -> &'static Es256Key {
    static KEY: OnceLock<Es256Key> = OnceLock::new();
    KEY.get_or_init(|| Es256Key::generate().expect("the provider generates a key"))
}
