//! Rows A: CBOR and COSE envelopes.

use attestation::{CborError, CborFault, MalformedDocument};
use attestation::{MalformedDocument as M, UntrustedDocument};

use crate::harness::cbor::{self, BREAK, NULL};
use crate::harness::cose::{self, ES384, Envelope, N};
use crate::harness::payload::Payload;
use crate::harness::response::Expected;
use crate::harness::row::{Row, row};

pub(crate) fn rows() -> Vec<Row> {
    [envelope_shape(), headers(), payload_and_signature()].into_iter().flatten().collect()
}

fn payload_error(offset: usize, fault: CborFault) -> MalformedDocument {
    M::Payload(CborError { offset, fault })
}

/// Returns the rows A01 to A10.
fn envelope_shape() -> Vec<Row> {
    let document = Payload::valid().sign();
    let empty = Expected::validation(
        "1 validation error detected: Value at 'recipient.attestationDocument' failed to satisfy \
         constraint: Member must have length greater than or equal to 1",
    );
    let trailing = |bytes: &[u8]| [&document[..], bytes].concat();
    let prefixed = |prefix: &[u8]| [prefix, &document[..]].concat();
    let body = &document[1..];
    let after_map = Payload::valid();
    let after_map = |bytes: &[u8]| after_map.sign_as(&[&after_map.encode()[..], bytes].concat());
    let mut rows = vec![
        row("A01", "empty").rejects_by_api_limit("", Vec::new(), M::Empty, empty.clone()),
        row("A03", "a byte after the COSE array")
            .rejects("one", trailing(&[0]), M::TrailingBytes { count: 1 })
            .rejects("a document", trailing(&document), M::TrailingBytes { count: document.len() }),
        row("A04", "a byte after the payload map")
            .rejects("one", after_map(&[0]), M::TrailingPayloadBytes { count: 1 })
            .rejects("a break", after_map(&BREAK), M::TrailingPayloadBytes { count: 1 }),
    ];
    rows.push(cut_at_every_offset(&document, empty));
    let others: [(&str, &[u8]); 7] = [
        ("a map", &[0xa0]),
        ("a byte string", &[0x41, 0]),
        ("a text string", b"\x61a"),
        ("a number", &[0]),
        ("null", &NULL),
        ("true", &[0xf5]),
        ("a float", &[0xf9, 0x7e, 0]),
    ];
    let not_array = row("A05", "outer value not an array");
    rows.push(
        others.into_iter().fold(not_array, |row, (case, bytes)| {
            row.rejects(case, bytes.to_vec(), M::NotCoseSign1)
        }),
    );
    let five = [&[0x85], body, &NULL].concat();
    rows.extend([
        row("A06", "array of 3 or 5")
            .rejects("3", [&[0x83], &body[..body.len() - 98]].concat(), M::NotCoseSign1)
            .rejects("5", five, M::NotCoseSign1),
        row("A07", "tag 18 once: accepted").accepts("", prefixed(&[0xd2])),
        row("A08", "tag 18 twice").rejects("", prefixed(&[0xd2, 0xd2]), M::NotCoseSign1),
        row("A09", "other tags")
            .rejects("17", prefixed(&[0xd1]), M::NotCoseSign1)
            .rejects("61", prefixed(&[0xd8, 61]), M::NotCoseSign1)
            .rejects("55799", prefixed(&[0xd9, 0xd9, 0xf7]), M::NotCoseSign1)
            .rejects("55799, then 18", prefixed(&[0xd9, 0xd9, 0xf7, 0xd2]), M::NotCoseSign1)
            .rejects("18, then 61", prefixed(&[0xd2, 0xd8, 61]), M::NotCoseSign1),
        row("A10", "indefinite outer array").rejects(
            "",
            [&[0x9f], body, &BREAK].concat(),
            M::NotCoseSign1,
        ),
    ]);
    rows
}

fn cut_at_every_offset(document: &[u8], empty: Expected) -> Row {
    let payload = Envelope::OFFSET_OF_PAYLOAD;
    let signature = document.len() - 98;
    let truncated = |offset| CborError { offset, fault: CborFault::Truncated };
    let rejection = |length: usize| match length {
        1..6 => M::ProtectedHeader,
        6 => M::UnprotectedHeader,
        // The head of the payload's byte string consists of 0x59 and a length of two bytes.
        7 => M::Payload(truncated(payload)),
        8..10 => M::Payload(truncated(payload + 1)),
        _ if length < signature => M::Payload(truncated(payload + 3)),
        _ if length == signature => M::Signature(truncated(signature)),
        _ if length == signature + 1 => M::Signature(truncated(signature + 1)),
        _ => M::Signature(truncated(signature + 2)),
    };
    let row =
        row("A02", "cut at every offset").rejects_by_api_limit("0", Vec::new(), M::Empty, empty);
    (1..document.len()).fold(row, |row, length| {
        row.rejects(length.to_string(), document[..length].to_vec(), rejection(length))
    })
}

/// Returns the rows A11 to A18. Each signature covers the protected header in its changed encoding.
fn headers() -> Vec<Row> {
    let payload = Payload::valid().encode();
    let protected = |header: &[u8]| cose::sign(&cbor::bytes(header), header, &[0xa0], &payload);
    let unprotected = |header: &[u8]| cose::sign(&cbor::bytes(&ES384), &ES384, header, &payload);
    let rejected = |row: Row, (case, header): (&'static str, &[u8])| {
        row.rejects(case, protected(header), M::ProtectedHeader)
    };
    let chunked_payload = |chunks: &[&[u8]]| {
        let chunks: Vec<u8> = chunks.iter().flat_map(|chunk| cbor::bytes(chunk)).collect();
        let envelope = Envelope::signed(&payload);
        Envelope { payload: [&[0x5f][..], &chunks, &BREAK].concat(), ..envelope }.encode()
    };
    let (start, end) = payload.split_at(100);
    let indefinite = CborFault::IndefiniteString;
    let chunked_header = [&[0x5f][..], &cbor::bytes(&ES384), &BREAK].concat();
    let others: [(&str, &[u8]); 6] = [
        ("-7", &[0xa1, 1, 0x26]),
        ("-36", &[0xa1, 1, 0x38, 35]),
        ("-37", &[0xa1, 1, 0x38, 36]),
        ("35", &[0xa1, 1, 0x18, 35]),
        ("text ES384", b"\xa1\x01\x65ES384"),
        ("null", &[0xa1, 1, 0xf6]),
    ];
    let labels: [(&str, &[u8]); 4] = [
        ("kid", &[0xa2, 1, 0x38, 34, 4, 0x41, 0]),
        ("content type", &[0xa2, 1, 0x38, 34, 3, 0]),
        ("text label", b"\xa2\x01\x38\x22\x61a\x00"),
        ("before alg", &[0xa2, 4, 0x41, 0, 1, 0x38, 34]),
    ];
    vec![
        row("A11", "indefinite payload byte string")
            .rejects("one chunk", chunked_payload(&[&payload]), payload_error(7, indefinite))
            .rejects("two chunks", chunked_payload(&[start, end]), payload_error(7, indefinite)),
        row("A12", "indefinite protected header")
            .rejects(
                "string",
                cose::sign(&chunked_header, &ES384, &[0xa0], &payload),
                M::ProtectedHeader,
            )
            .rejects("map", protected(&[0xbf, 1, 0x38, 34, 0xff]), M::ProtectedHeader),
        row("A13", "empty protected header, alg only in the unprotected one")
            .rejects("no byte", cose::sign(&[0x40], &[], &ES384, &payload), M::ProtectedHeader)
            .rejects(
                "empty map",
                cose::sign(&[0x41, 0xa0], &[0xa0], &ES384, &payload),
                M::ProtectedHeader,
            ),
        others.into_iter().fold(row("A14", "other algorithms"), rejected),
        row("A15", "duplicate alg")
            .rejects("equal", protected(&[0xa2, 1, 0x38, 34, 1, 0x38, 34]), M::ProtectedHeader)
            .rejects("other", protected(&[0xa2, 1, 0x38, 34, 1, 0x26]), M::ProtectedHeader),
        row("A16", "crit")
            .rejects("alg", protected(&[0xa2, 1, 0x38, 34, 2, 0x81, 1]), M::ProtectedHeader)
            .rejects(
                "unknown",
                protected(&[0xa3, 1, 0x38, 34, 2, 0x81, 0x18, 99, 0x18, 99, 0]),
                M::ProtectedHeader,
            ),
        labels.into_iter().fold(row("A17", "additional protected labels"), rejected),
        row("A18", "non-empty unprotected header")
            .rejects("kid", unprotected(&[0xa1, 4, 0x41, 0]), M::UnprotectedHeader)
            .rejects("alg again", unprotected(&ES384), M::UnprotectedHeader)
            .rejects("null", unprotected(&NULL), M::UnprotectedHeader)
            .rejects("indefinite", unprotected(&[0xbf, 0xff]), M::UnprotectedHeader),
    ]
}

/// Returns the rows A19 to A22.
fn payload_and_signature() -> Vec<Row> {
    let payload = Payload::valid().encode();
    let signed = Envelope::signed(&payload);
    let with_payload =
        |payload: &[u8]| Envelope { payload: payload.to_vec(), ..signed.clone() }.encode();
    let with_signature = |signature: Vec<u8>| Envelope { signature, ..signed.clone() }.encode();
    let expected = |found| payload_error(7, CborFault::Type { expected: "byte string", found });
    let signature = signed.raw_signature();
    let der = cose::der_signature(&payload);
    let of_length = |length| M::SignatureLength { length };
    let empty = M::Encoding(CborError { offset: 8, fault: CborFault::Truncated });
    let offset = Envelope::OFFSET_OF_PAYLOAD + cbor::bytes(&payload).len();
    let type_error = CborFault::Type { expected: "byte string", found: "array" };
    let no_bytes = M::Signature(CborError { offset, fault: type_error });
    let mut rows = vec![
        row("A19", "detached or nil payload")
            .rejects("nil", with_payload(&NULL), expected("null"))
            .rejects("undefined", with_payload(&[0xf7]), expected("simple value"))
            .rejects("text", with_payload(&cbor::text("a")), expected("text string"))
            .rejects("the map itself", with_payload(&payload), expected("map"))
            .rejects("no byte", with_payload(&[0x40]), empty),
        row("A20", "signature of another length")
            .rejects("0", with_signature(vec![0x40]), of_length(0))
            .rejects("95", with_signature(cbor::bytes(&signature[..95])), of_length(95))
            .rejects(
                "97",
                with_signature(cbor::bytes(&[&signature[..], &[0]].concat())),
                of_length(97),
            )
            .rejects("DER", with_signature(cbor::bytes(&der)), of_length(der.len()))
            .rejects("an array of r and s", with_signature(array_of_two(&signature)), no_bytes),
    ];
    let (r, s) = signature.split_at(48);
    let above_n = cose::plus_one(N);
    let values = [("0", [0; 48]), ("n", N), ("n + 1", above_n), ("all ones", [0xff; 48])];
    let a21 = values.into_iter().fold(row("A21", "r or s out of range"), |row, (case, value)| {
        let with = |r: &[u8], s: &[u8]| with_signature(cbor::bytes(&[r, s].concat()));
        row.rejects(format!("r = {case}"), with(&value, s), UntrustedDocument::DocumentSignature)
            .rejects(format!("s = {case}"), with(r, &value), UntrustedDocument::DocumentSignature)
            .rejects(
                format!("both {case}"),
                with(&value, &value),
                UntrustedDocument::DocumentSignature,
            )
    });
    let other_s = cose::n_minus(s.try_into().unwrap());
    rows.extend([
        a21,
        row("A22", "the high-S form of a valid signature: accepted")
            .accepts("as signed", signed.encode())
            .accepts("its twin", with_signature(cbor::bytes(&[r, &other_s].concat()))),
    ]);
    rows
}

fn array_of_two(signature: &[u8]) -> Vec<u8> {
    cbor::array(&[cbor::bytes(&signature[..48]), cbor::bytes(&signature[48..])])
}
