//! Steps 1 and 2: the status and the form of a receipt.

use attestation::receipt::{
    MAX_RECEIPT_HEADER_LENGTH, ReceiptBytes, ReceiptError, ReceiptPayloadError, ReceiptStep,
    ResponseHead,
};
use attestation::{AuditDigest, CborError, CborFault, SignedAuditDigest, StatementError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::statement::{RECEIPT_AAD, RECEIPT_TYPE, Statement, byte_string};
use crate::test_enclave::{NOW, TestEnclave, TestExchange, ok};

fn header(enclave: &TestEnclave) -> String {
    TestExchange::new().receipt.sign(&enclave.key).unwrap()
}

fn statement(enclave: &TestEnclave) -> Statement {
    Statement::of_header(&header(enclave), &enclave.key)
}

/// Returns the error of a header that is the only one of a response with status 200.
fn rejection(header: &[u8]) -> ReceiptError {
    let parse = |bytes: ReceiptBytes| bytes.parse().map(drop);
    let rejected = ReceiptBytes::from_response(ok(&[header])).and_then(parse).unwrap_err();
    let stored = ReceiptBytes::from_header(header).and_then(parse).unwrap_err();
    assert_eq!(rejected, stored);
    rejected
}

#[test]
fn only_200_with_one_receipt_is_an_answer() {
    let header = header(&TestEnclave::new());
    let header = header.as_bytes();
    let reject = |head| ReceiptBytes::from_response(head).unwrap_err();
    let (one, two) = ([header], [header, header]);
    for status in [100, 199, 201, 202, 203, 204, 206, 299, 302, 304, 399] {
        for receipts in [&[][..], &one, &two] {
            let rejected = reject(ResponseHead { status, ..ok(receipts) });
            assert_eq!(rejected, ReceiptError::Status { status });
            assert_eq!(rejected.step(), ReceiptStep::Status);
        }
    }
    let several = ReceiptError::SeveralReceipts { count: 2 };
    for (receipts, error) in [(&[][..], ReceiptError::NoReceipt), (&two, several)] {
        let rejected = reject(ok(receipts));
        assert_eq!((rejected.step(), rejected), (ReceiptStep::Status, error));
    }
    assert!(ReceiptBytes::from_response(ok(&one)).is_ok());
}

#[test]
fn rejects_content_encoding() {
    let header = header(&TestEnclave::new());
    let receipts = [header.as_bytes()];
    let head = ResponseHead { has_content_encoding: true, ..ok(&receipts) };
    let rejected = ReceiptBytes::from_response(head).unwrap_err();
    assert_eq!((rejected.step(), rejected), (ReceiptStep::Form, ReceiptError::ContentEncoding));
}

#[test]
fn header_has_at_most_600_characters() {
    assert_eq!(MAX_RECEIPT_HEADER_LENGTH, 600);
    let longest = STANDARD.encode([0; 450]);
    assert_eq!(rejection(longest.as_bytes()), StatementError::NotCoseSign1.into());
    let rejected = rejection(STANDARD.encode([0; 451]).as_bytes());
    let too_long = ReceiptError::TooLong { length: 604 };
    assert_eq!((rejected.step(), rejected), (ReceiptStep::Form, too_long));
    assert_eq!(rejection(&[b'A'; 601]), ReceiptError::TooLong { length: 601 });
}

#[test]
fn base64_has_one_form() {
    // The last group has two bytes, so the last character before the padding has two unused bits.
    assert_eq!(STANDARD.encode([0xd2, 0xff, 0xfb, 0xd2, 0x84]), "0v/70oQ=");
    assert_eq!(rejection(b"0v/70oQ="), StatementError::NotCoseSign1.into());
    let bad =
        ["0v_70oQ=", "0v/70oR=", "0v/70oQ", "0v/70oQ==", "0v/70oQ= ", " 0v/70oQ=", "0v/7\n0oQ="];
    for header in bad {
        let rejected = rejection(header.as_bytes());
        assert_eq!((rejected.step(), rejected), (ReceiptStep::Form, ReceiptError::Base64));
    }
    assert_eq!(rejection(b""), StatementError::NotCoseSign1.into());
    assert_eq!(rejection(b"\xff\xff\xff\xff"), ReceiptError::Base64);
}

#[test]
fn statement_has_one_encoding() {
    let enclave = TestEnclave::new();
    let good = statement(&enclave);
    let end = good.bytes().len();
    let (payload, signature) = (end - 66 - good.payload.len(), end - 66);
    let with = |change: fn(&mut Statement)| {
        let mut statement = good.clone();
        change(&mut statement);
        statement.bytes()
    };
    let at = |offset, fault| CborError { offset, fault };
    let kind = |found, expected| CborFault::Type { expected, found };
    let is_string = |found| kind(found, "byte string");
    use StatementError::{
        NotCoseSign1, Payload, ProtectedHeader, ProtectedMembers, Signature, SignatureLength,
        TrailingBytes, UnprotectedHeader,
    };
    let cases = [
        (with(|s| s.head = vec![0x84]), NotCoseSign1),
        (with(|s| s.head = vec![0xd2, 0xd2, 0x84]), NotCoseSign1),
        (with(|s| s.head = vec![0xd2, 0x83]), NotCoseSign1),
        (with(|s| s.head = vec![0xd2, 0x9f]), NotCoseSign1),
        (with(|s| s.head = vec![0xd1, 0x84]), NotCoseSign1),
        (with(|s| s.head = vec![0xd8, 0x12, 0x84]), NotCoseSign1),
        (with(|s| s.protected = vec![0x40]), ProtectedMembers),
        (with(|s| s.protected = vec![0xa0]), ProtectedHeader(at(2, is_string("map")))),
        (
            with(|s| drop(s.protected.splice(..2, [0x59, 0, 82]))),
            ProtectedHeader(at(2, CborFault::NotShortest)),
        ),
        // alg in more bytes than needed, and the members in another order
        (with(|s| s.protected[4] = 0x27), ProtectedMembers),
        (with(|s| drop(s.protected.splice(5..6, [0x18, 4]))), ProtectedMembers),
        (with(|s| s.protected[2] = 0xa4), ProtectedMembers),
        (with(|s| s.unprotected = vec![0xf6]), UnprotectedHeader),
        (with(|s| s.unprotected = vec![0xa1, 1, 0x26]), UnprotectedHeader),
        (with(|s| s.payload = vec![0xf6]), Payload(at(payload, is_string("null")))),
        (with(|s| s.payload[0] = 0x78), Payload(at(payload, is_string("text string")))),
        (with(|s| s.signature = vec![0x40]), SignatureLength { length: 0 }),
        (with(|s| s.signature = byte_string(&[1; 63])), SignatureLength { length: 63 }),
        (with(|s| s.signature = byte_string(&[1; 65])), SignatureLength { length: 65 }),
        (with(|s| s.signature[0] = 0x78), Signature(at(signature, is_string("text string")))),
        (with(|s| s.signature.push(0)), TrailingBytes { count: 1 }),
        (with(|s| s.signature.truncate(65)), Signature(at(signature + 2, CborFault::Truncated))),
    ];
    for (index, (bytes, error)) in cases.into_iter().enumerate() {
        let rejected = rejection(STANDARD.encode(bytes).as_bytes());
        assert_eq!((rejected.step(), &rejected), (ReceiptStep::Form, &error.into()), "{index}");
    }
    for length in 0..end {
        let rejected = rejection(STANDARD.encode(&good.bytes()[..length]).as_bytes());
        assert_eq!(rejected.step(), ReceiptStep::Form, "{length}");
    }
}

#[test]
fn rejects_other_payload_in_a_valid_statement() {
    let enclave = TestEnclave::new();
    let receipt = TestExchange::new().receipt;
    let error = |payload: &[u8]| {
        let signed = Statement::signed(&enclave.key, RECEIPT_TYPE, RECEIPT_AAD, payload);
        rejection(signed.header().as_bytes())
    };
    let member = ReceiptPayloadError::Member { expected: "v" };
    let rejected = error(b"\xa0");
    assert_eq!((rejected.step(), rejected), (ReceiptStep::Form, member.into()));
    let header = receipt.sign(&enclave.key).unwrap();
    let good = Statement::of_header(&header, &enclave.key);
    assert_eq!(good.payload_content()[..3], *b"\xaa\x61v");
    let later = [good.payload_content(), &[0]].concat();
    assert_eq!(error(&later), ReceiptPayloadError::NotDeterministic.into());
}

#[test]
fn receipts_and_audit_digests_are_not_interchangeable() {
    let enclave = TestEnclave::new();
    let digest = AuditDigest {
        from: 1,
        to: 2,
        gaps: Vec::new(),
        head: [1; 32],
        previous: None,
        time: NOW,
        is_end: false,
    };
    let signed = STANDARD.encode(digest.sign(&enclave.key).unwrap());
    let expected = RECEIPT_TYPE;
    assert_eq!(rejection(signed.as_bytes()), StatementError::ContentType { expected }.into());
    let expected = "application/attested-random-audit-digest+cbor";
    let rejected = SignedAuditDigest::from_base64(&header(&enclave)).unwrap_err();
    assert_eq!(rejected, StatementError::ContentType { expected }.into());
}

#[test]
fn unverified_receipt_shows_its_key_and_content() {
    let enclave = TestEnclave::new();
    let bytes = ReceiptBytes::from_header(header(&enclave).as_bytes()).unwrap();
    let unverified = bytes.parse().unwrap();
    assert_eq!(unverified.key_id(), enclave.identity().key_id());
    assert_eq!(unverified.dangerous_unverified_content(), &TestExchange::new().receipt);
}
