//! Rows G: responses without a receipt, and receipts of another form.

use attestation::receipt::{
    MAX_RECEIPT_HEADER_LENGTH, ReceiptBytes, ReceiptError, ReceiptPayloadError, ResponseHead,
};
use attestation::{
    AuditDigest, AuditDigestError, CborError, CborFault, SignedAuditDigest, StatementError,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::harness::cbor;
use crate::harness::receipts::{ENCLAVE, header, statement, verify_header};
use crate::harness::row::{Row, row};
use crate::harness::summary::Outcome;
use crate::statement::{RECEIPT_AAD, RECEIPT_TYPE, Statement};
use crate::test_enclave::{NONCE, NOW, REQUEST_ID, SEALED_REQUEST, SEALED_RESPONSE, ok};

/// The name of a case, its error, and the change of a valid receipt.
type Change<E, T> = (&'static str, E, fn(&mut T));

pub(crate) fn rows() -> Vec<Row> {
    vec![
        other_statuses(),
        no_receipt(),
        two_receipts(),
        content_encoding(),
        base64(),
        truncated(),
        encodings_of_the_statement(),
        encodings_of_the_payload(),
        audit_digests(),
    ]
}

/// Checks the head of a response, whose body the relay chose.
fn check_head(status: u16, receipts: &[&[u8]], encoded: bool) -> Result<(), ReceiptError> {
    let head = ResponseHead { status, has_content_encoding: encoded, ..ok(receipts) };
    ReceiptBytes::from_response(head).map(drop)
}

/// Returns row G01.
fn other_statuses() -> Row {
    let mut row = row("G01", "status 201, 203, 206, 299 or 302 with a forged body");
    for status in [201, 203, 206, 299, 302] {
        let error = || ReceiptError::Status { status };
        row = row
            .rejects_receipt(format!("{status} without a receipt"), error(), move || {
                check_head(status, &[], false)
            })
            .rejects_receipt(format!("{status} with a receipt"), error(), move || {
                check_head(status, &[header().as_bytes()], false)
            });
    }
    row
}

/// Returns row G02.
fn no_receipt() -> Row {
    row("G02", "status 200 without a receipt")
        .rejects_receipt("", ReceiptError::NoReceipt, || check_head(200, &[], false))
}

/// Returns row G03.
fn two_receipts() -> Row {
    let several = |count| ReceiptError::SeveralReceipts { count };
    row("G03", "two receipt headers")
        .rejects_receipt("equal", several(2), || check_head(200, &[header().as_bytes(); 2], false))
        .rejects_receipt("the second is empty", several(2), || {
            check_head(200, &[header().as_bytes(), b""], false)
        })
        .rejects_receipt("in one field line", ReceiptError::TooLong { length: 1018 }, || {
            let both = format!("{}, {}", header(), header());
            check_head(200, &[both.as_bytes()], false)
        })
}

/// Returns row G04.
fn content_encoding() -> Row {
    let error = ReceiptError::ContentEncoding;
    row("G04", "Content-Encoding")
        .rejects_receipt("", error, || check_head(200, &[header().as_bytes()], true))
}

/// Returns row G05.
fn base64() -> Row {
    let too_long = ReceiptError::TooLong { length: MAX_RECEIPT_HEADER_LENGTH + 4 };
    let row = row("G05", "base64 over 600 characters or in another form").rejects_receipt(
        "604 characters",
        too_long,
        || verify_header(&"A".repeat(604)),
    );
    let cases = [
        ("unpadded", "0v/70oQ"),
        ("padded twice", "0v/70oQ=="),
        ("a space before", " 0v/70oQ="),
        ("a line break", "0v/7\n0oQ="),
        ("URL alphabet", "0v_70oQ="),
        ("trailing bits", "0v/70oR="),
    ];
    let row = cases.into_iter().fold(row, |row, (name, header)| {
        row.rejects_receipt(name, ReceiptError::Base64, move || verify_header(header))
    });
    // The canonical form of the bytes reaches the next check.
    row.rejects_receipt("canonical", StatementError::NotCoseSign1, || verify_header("0v/70oQ="))
}

/// Returns row G06.
fn truncated() -> Row {
    row("G06", "truncated COSE").custom("at every offset", Outcome::Rejected, || {
        let bytes = statement().bytes();
        for length in 0..bytes.len() {
            let rejected = verify_header(&STANDARD.encode(&bytes[..length])).unwrap_err();
            assert!(matches!(rejected, ReceiptError::Statement(_)), "{length}: {rejected}");
        }
    })
}

/// Returns row G07.
fn encodings_of_the_statement() -> Row {
    use StatementError::{
        NotCoseSign1, Payload, ProtectedHeader, ProtectedMembers, SignatureLength, TrailingBytes,
        UnprotectedHeader,
    };
    let at = |offset, fault| CborError { offset, fault };
    let payload = 2 + statement().protected.len() + 1;
    let is_null = CborFault::Type { expected: "byte string", found: "null" };
    let cases: [Change<StatementError, Statement>; 14] = [
        ("no tag", NotCoseSign1, |s| s.head = vec![0x84]),
        ("tag twice", NotCoseSign1, |s| s.head = vec![0xd2, 0xd2, 0x84]),
        ("wide tag", NotCoseSign1, |s| s.head = vec![0xd8, 0x12, 0x84]),
        ("indefinite array", NotCoseSign1, |s| s.head = vec![0xd2, 0x9f]),
        ("wide length", ProtectedHeader(at(2, CborFault::NotShortest)), |s| {
            s.protected.splice(..2, [0x59, 0, 82]);
        }),
        ("alg ES384", ProtectedMembers, |s| drop(s.protected.splice(4..5, [0x38, 34]))),
        ("alg after kid", ProtectedMembers, |s| s.protected[3..40].rotate_left(2)),
        ("no protected header", ProtectedMembers, |s| s.protected = vec![0x40]),
        ("kid unprotected", UnprotectedHeader, |s| s.unprotected = vec![0xa1, 4, 0x41, 1]),
        ("detached payload", Payload(at(payload, is_null)), |s| s.payload = vec![0xf6]),
        ("wide payload", Payload(at(payload, CborFault::NotShortest)), |s| {
            let content = s.payload_content().to_vec();
            s.payload = [cbor::wide_head(cbor::BYTES, 2, length(&content)), content].concat();
        }),
        ("payload in chunks", Payload(at(payload, CborFault::IndefiniteString)), |s| {
            s.payload = [&[0x5f][..], &s.payload, &[0xff]].concat();
        }),
        ("DER signature", SignatureLength { length: 70 }, |s| s.signature = cbor::filled(70)),
        ("a byte more", TrailingBytes { count: 1 }, |s| s.signature.push(0)),
    ];
    let row = row("G07", "re-encoded COSE");
    cases.into_iter().fold(row, |row, (name, error, change)| {
        row.rejects_receipt(name, error, move || {
            let mut statement = statement();
            change(&mut statement);
            verify_header(&statement.header())
        })
    })
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap()
}

type Members = Vec<(Vec<u8>, Vec<u8>)>;

/// Returns the members of the valid receipt, encoded without the crate's encoder.
fn members() -> Members {
    use attestation::crypto::Sha256;
    let member = |name: &str, value: Vec<u8>| (cbor::text(name), value);
    vec![
        member("v", cbor::unsigned(1)),
        member("id", cbor::text(REQUEST_ID)),
        member("op", cbor::text("GenerateRandom")),
        member("cek", cbor::bytes(&[1; 32])),
        member("req", cbor::bytes(&Sha256::digest(SEALED_REQUEST))),
        member("res", cbor::bytes(&Sha256::digest(SEALED_RESPONSE))),
        member("seq", cbor::unsigned(4)),
        member("src", cbor::text("nsm")),
        member("time", cbor::unsigned(NOW.as_millis())),
        member("nonce", cbor::bytes(&NONCE)),
    ]
}

/// Verifies a receipt with any payload that the enclave's key signed.
fn verify_payload(payload: &[u8]) -> Result<(), ReceiptError> {
    let signed = Statement::signed(&ENCLAVE.key, RECEIPT_TYPE, RECEIPT_AAD, payload);
    verify_header(&signed.header())
}

/// Returns row G08.
fn encodings_of_the_payload() -> Row {
    use ReceiptPayloadError::{Cbor, Member, NotDeterministic, Value};
    let not_shortest = |member, offset| Cbor {
        member,
        error: CborError { offset, fault: CborFault::NotShortest },
    };
    let cases: [Change<ReceiptPayloadError, Members>; 10] = [
        ("another order", Member { expected: "id" }, |m| m.swap(1, 2)),
        ("a member twice", Member { expected: "id" }, |m| m.insert(1, m[0].clone())),
        ("an unknown member", NotDeterministic, |m| m.push((cbor::text("other"), vec![0]))),
        ("a member missing", Member { expected: "seq" }, |m| drop(m.remove(6))),
        ("version 2", Value { member: "v" }, |m| m[0].1 = cbor::unsigned(2)),
        ("a wide number", not_shortest("v", 3), |m| m[0].1 = vec![0x18, 1]),
        ("an integer as a name", Member { expected: "v" }, |m| m[0].0 = cbor::unsigned(1)),
        ("a request digest of 31 bytes", Value { member: "req" }, |m| m[4].1 = cbor::filled(31)),
        ("a nonce of 15 bytes", Value { member: "nonce" }, |m| m[9].1 = cbor::filled(15)),
        ("a nonce of 33 bytes", Value { member: "nonce" }, |m| m[9].1 = cbor::filled(33)),
    ];
    let row =
        row("G08", "a payload that is not canonical").custom("good", Outcome::Accepted, || {
            assert_eq!(verify_payload(&cbor::map(&members())), Ok(()));
        });
    let row = cases.into_iter().fold(row, |row, (name, error, change)| {
        row.rejects_receipt(name, error, move || {
            let mut members = members();
            change(&mut members);
            verify_payload(&cbor::map(&members))
        })
    });
    row.rejects_receipt("an indefinite map", NotDeterministic, || {
        verify_payload(&[&[0xbf], &cbor::concat(&members())[..], &cbor::BREAK].concat())
    })
    .rejects_receipt("a byte after the map", NotDeterministic, || {
        verify_payload(&[cbor::map(&members()), vec![0]].concat())
    })
}

/// Returns row G09.
fn audit_digests() -> Row {
    let expected = RECEIPT_TYPE;
    row("G09", "an audit digest as a receipt, and the reverse")
        .rejects_receipt("digest as receipt", StatementError::ContentType { expected }, || {
            let digest = AuditDigest {
                from: 1,
                to: 2,
                gaps: Vec::new(),
                head: [1; 32],
                previous: None,
                time: NOW,
                is_end: false,
            };
            verify_header(&STANDARD.encode(digest.sign(&ENCLAVE.key).unwrap()))
        })
        .custom("receipt as digest", Outcome::Rejected, || {
            let expected = "application/attested-random-audit-digest+cbor";
            let rejected = SignedAuditDigest::from_base64(&header()).unwrap_err();
            let error = StatementError::ContentType { expected };
            assert_eq!(rejected, AuditDigestError::Statement(error));
        })
}
