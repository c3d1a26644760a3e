//! Seeds of the target for receipts: receipts and audit digests of a new key, and changed copies.

use attestation::AuditDigest;
use attestation::crypto::Es256Key;
use attestation::receipt::{NSM_SOURCE, Receipt, ReceiptOperation};
use attestation::time::UnixMillis;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::mutations;
use crate::fixture::NOW;

pub(super) fn inputs() -> Vec<Vec<u8>> {
    let key = Es256Key::generate().expect("the provider generates a key");
    let headers = receipts().map(|receipt| receipt.sign(&key).expect("the provider signs"));
    let decode = |header: &String| STANDARD.decode(header).expect("the receipt is base64");
    let digests = digests().map(|digest| digest.sign(&key).expect("the provider signs"));
    let statements: Vec<_> = headers.iter().map(decode).chain(digests).collect();
    let mut inputs: Vec<_> = headers.map(String::into_bytes).to_vec();
    inputs.extend(statements.iter().map(|statement| STANDARD.encode(statement).into_bytes()));
    inputs.extend(statements.iter().flat_map(|statement| mutations::mutated(statement, 16)));
    let changes: [(&[u8], &[u8]); 9] = [
        (b"\xd2\x84", b"\x84"),
        (b"\xd2\x84", b"\xd2\x9f"),
        (b"\xa0\x58", b"\xa0\x59\x00"),
        (b"\xaa\x61v", b"\xab\x61v"),
        (b"\x61v\x01", b"\x61v\x18\x01"),
        (b"\x61v\x01", b"\x61v\x02"),
        (b"\x62id", b"\x62ix"),
        (b"\x63src\x63nsm", b""),
        (b"\x65nonce\x50", b"\x65nonce\x58\x10"),
    ];
    let changed = changes.map(|(from, to)| mutations::replaced(&statements[0], from, to));
    inputs.extend(statements);
    inputs.extend(changed);
    inputs
}

fn receipts() -> [Receipt<'static>; 4] {
    let sealed = Receipt {
        request_id: "01234567-89ab-4cde-8f01-23456789abcd",
        operation: ReceiptOperation::GenerateRandom,
        content_key_digest: Some([1; 32]),
        request_digest: [2; 32],
        response_digest: [3; 32],
        sequence: 4,
        source: Some(NSM_SOURCE),
        time: NOW,
        nonce: &[6; 16],
    };
    let plain = Receipt { content_key_digest: None, nonce: &[], ..sealed.clone() };
    let description = Receipt {
        operation: ReceiptOperation::DescribeCustomKeyStores,
        source: None,
        ..plain.clone()
    };
    let longest = Receipt {
        sequence: u64::MAX,
        source: Some("cks-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        time: UnixMillis::new(u64::MAX),
        nonce: &[6; 32],
        ..sealed.clone()
    };
    [sealed, plain, description, longest]
}

fn digests() -> [AuditDigest; 3] {
    let first = AuditDigest {
        from: 1,
        to: 70_000,
        gaps: vec![(3, 5), (9, 9)],
        head: [1; 32],
        previous: None,
        time: NOW,
        is_end: false,
    };
    let next = AuditDigest { previous: Some([2; 32]), gaps: Vec::new(), ..first.clone() };
    let last = AuditDigest { from: 70_001, is_end: true, ..next.clone() };
    [first, next, last]
}
