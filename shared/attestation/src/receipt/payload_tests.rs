use super::*;

const ID: &str = "01234567-89ab-4cde-8f01-23456789abcd";

fn receipt() -> Receipt<'static> {
    Receipt {
        request_id: ID,
        operation: ReceiptOperation::GenerateRandom,
        content_key_digest: Some([1; 32]),
        request_digest: [2; 32],
        response_digest: [3; 32],
        sequence: 4,
        source: Some(NSM_SOURCE),
        time: UnixMillis::new(5),
        nonce: &[6; 16],
    }
}

/// The longest values of every member.
fn longest(operation: ReceiptOperation) -> Receipt<'static> {
    const SOURCE: &str = "cks-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let is_random = operation == ReceiptOperation::GenerateRandom;
    Receipt {
        operation,
        content_key_digest: is_random.then_some([1; 32]),
        sequence: u64::MAX,
        source: is_random.then_some(SOURCE),
        time: UnixMillis::new(u64::MAX),
        nonce: &[6; 32],
        ..receipt()
    }
}

#[test]
fn longest_receipt_fits_into_600_characters() {
    assert_eq!(RECEIPT.max_length, 450, "that of 600 characters");
    let key = Es256Key::generate().unwrap();
    let lengths = ReceiptOperation::ALL.map(|operation| {
        let receipt = longest(operation);
        assert_eq!(Receipt::from_payload(&receipt.to_payload()).as_ref(), Ok(&receipt));
        receipt.sign(&key).unwrap().len()
    });
    assert_eq!((lengths[0], lengths[1] < lengths[0]), (MAX_RECEIPT_HEADER_LENGTH, true));
}

#[test]
fn members_are_in_deterministic_order() {
    let payload = receipt().to_payload();
    let names = ["v", "id", "op", "cek", "req", "res", "seq", "src", "time", "nonce"].map(|name| {
        let mut encoded = Vec::new();
        push_text(&mut encoded, name);
        encoded
    });
    assert!(names.is_sorted(), "RFC 8949 section 4.2.1");
    let find = |name: &Vec<u8>| payload.windows(name.len()).position(|window| window == name);
    let positions: Vec<_> = names.iter().map(|name| find(name).unwrap()).collect();
    assert!(positions.is_sorted(), "{positions:?}");
    assert_eq!(payload[0], 0xaa);
}

/// Replaces the first `from` in the payload of [`receipt`].
fn replaced(from: &[u8], to: &[u8]) -> Vec<u8> {
    let payload = receipt().to_payload();
    let at = payload.windows(from.len()).position(|window| window == from).unwrap();
    [&payload[..at], to, &payload[at + from.len()..]].concat()
}

#[test]
fn rejects_other_values_and_encodings() {
    use ReceiptPayloadError::{Cbor, Member, NotDeterministic, Value};
    let described = |receipt: Receipt<'_>| receipt.to_payload();
    let cek_of_describe =
        Receipt { operation: ReceiptOperation::DescribeCustomKeyStores, source: None, ..receipt() };
    let long_source = "a".repeat(MAX_SOURCE_LENGTH + 1);
    for (payload, error) in [
        (replaced(b"\x61v\x01", b"\x61v\x02"), Value { member: "v" }),
        (replaced(b"\x61v\x01", b""), Member { expected: "v" }),
        (replaced(b"\x61v\x01", b"\x61v\x01\x61v\x01"), Member { expected: "id" }),
        (replaced(b"\x62op", b"\x62oq"), Member { expected: "op" }),
        (replaced(b"GenerateRandom", b"GenerateRandon"), Value { member: "op" }),
        (described(Receipt { request_id: "short", ..receipt() }), Value { member: "id" }),
        (described(cek_of_describe), Value { member: "cek" }),
        (described(Receipt { source: None, ..receipt() }), Member { expected: "src" }),
        (described(Receipt { source: Some(""), ..receipt() }), Value { member: "src" }),
        (described(Receipt { source: Some(&long_source), ..receipt() }), Value { member: "src" }),
        (described(Receipt { source: Some("a b"), ..receipt() }), Value { member: "src" }),
        (described(Receipt { nonce: &[6; 15], ..receipt() }), Value { member: "nonce" }),
        (described(Receipt { nonce: &[6; 33], ..receipt() }), Value { member: "nonce" }),
        (replaced(b"\x63seq\x04", b"\x63seq\x18\x04"), {
            let fault = crate::CborFault::NotShortest;
            let offset =
                receipt().to_payload().windows(4).position(|w| w == b"\x63seq").unwrap() + 4;
            Cbor { member: "seq", error: CborError { offset, fault } }
        }),
        (replaced(b"\xaa\x61v", b"\xab\x61v"), NotDeterministic),
        (replaced(b"\xaa\x61v", b"\xbf\x61v"), NotDeterministic),
        ([receipt().to_payload(), vec![0]].concat(), NotDeterministic),
        (described(receipt()).split_off(1), {
            let fault = crate::CborFault::Type { expected: "map", found: "text string" };
            Cbor { member: "map", error: CborError { offset: 0, fault } }
        }),
    ] {
        assert_eq!(Receipt::from_payload(&payload), Err(error), "{payload:02x?}");
    }
    let payload = receipt().to_payload();
    for length in 0..payload.len() {
        assert!(Receipt::from_payload(&payload[..length]).is_err(), "{length}");
    }
}
