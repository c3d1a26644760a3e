//! Rows A: nesting, lengths, and bytes that the signature does not cover.

use attestation::MalformedDocument as M;
use attestation::{CborError, CborFault, MAX_DOCUMENT_LENGTH, UntrustedDocument};

use crate::harness::cbor::{self, NULL};
use crate::harness::cose::{self, ES384, Envelope};
use crate::harness::payload::Payload;
use crate::harness::response::Expected;
use crate::harness::row::{Row, row};

pub(crate) fn rows() -> Vec<Row> {
    vec![nesting(), claimed_lengths(), too_long(), not_shortest(), re_encoded(), flipped_bits()]
}

fn nesting() -> Row {
    let too_deep = |opening: &[u8], count: usize| {
        let payload = Payload::valid().with(cbor::text("x"), Vec::new());
        let nested = [opening.repeat(count), NULL.to_vec()].concat();
        let payload = payload.set("x", nested);
        // Seventeen levels exceed the limit by one.
        let offset = payload.offset_of_value("x") + 16 * opening.len() + 1;
        let error = CborError { offset, fault: CborFault::Depth };
        (payload.sign(), M::Encoding(error))
    };
    let mut row = row("A23", "nesting");
    for (case, opening) in [
        ("arrays", &[0x81][..]),
        ("maps", &[0xa1, 0]),
        ("tags", &[0xc1]),
        ("indefinite arrays", &[0x9f]),
    ] {
        for count in [17, 128, 257] {
            let (document, expected) = too_deep(opening, count);
            row = row.rejects(format!("{count} {case}"), document, expected);
        }
    }
    let allowed = Payload::valid().with(cbor::text("x"), [vec![0x81; 16], NULL.to_vec()].concat());
    let (document, _) = too_deep(&[0x81], 100_000);
    let length = document.len();
    row.accepts("16 arrays", allowed.sign()).rejects(
        "100000 arrays",
        document,
        M::TooLong { length },
    )
}

fn claimed_lengths() -> Row {
    let truncated = |offset| CborError { offset, fault: CborFault::Truncated };
    let mut row = row("A24", "a claimed length without content");
    for (exponent, claimed) in [(2, u64::from(u32::MAX)), (3, 1 << 63), (3, u64::MAX)] {
        let head = |major| cbor::wide_head(major, exponent, claimed);
        let payload = Payload::valid();
        let envelope = Envelope { payload: head(cbor::BYTES), ..Envelope::signed(&[]) };
        let head_length = head(cbor::BYTES).len();
        row = row.rejects(
            format!("the payload, {claimed}"),
            envelope.encode(),
            M::Payload(truncated(7 + head_length)),
        );
        let signed = Envelope::signed(&payload.encode());
        let offset = Envelope::OFFSET_OF_PAYLOAD + signed.payload.len() + head_length;
        row = row.rejects(
            format!("the signature, {claimed}"),
            Envelope { signature: head(cbor::BYTES), ..signed }.encode(),
            M::Signature(truncated(offset)),
        );
        for (field, major) in
            [("module_id", cbor::TEXT), ("certificate", cbor::BYTES), ("nonce", cbor::BYTES)]
        {
            let changed = payload.clone().set(field, head(major));
            let error = truncated(changed.offset_of_value(field) + head_length);
            row = row.rejects(
                format!("{field}, {claimed}"),
                changed.sign(),
                M::Field { field, error },
            );
        }
        // The length of an array or map is too great, so it includes the next fields of the
        // payload.
        let pcrs = payload.clone().set("pcrs", head(cbor::MAP));
        let error = CborError {
            offset: pcrs.offset_of_value("pcrs") + head_length,
            fault: CborFault::Type { expected: "unsigned integer", found: "text string" },
        };
        row =
            row.rejects(format!("pcrs, {claimed}"), pcrs.sign(), M::Field { field: "pcrs", error });
        let last =
            Payload::valid().without("cabundle").with(cbor::text("cabundle"), head(cbor::ARRAY));
        let error = truncated(last.offset_of_value("cabundle") + head_length);
        row = row.rejects(
            format!("cabundle, {claimed}"),
            last.sign(),
            M::Field { field: "cabundle", error },
        );
        let map = [head(cbor::MAP), payload.encode()[1..].to_vec()].concat();
        let document = payload.sign_as(&map);
        let end = document.len() - 98;
        row = row.rejects(
            format!("the payload's map, {claimed}"),
            document,
            M::FieldName(truncated(end)),
        );
    }
    row
}

fn too_long() -> Row {
    let of_length = |length: usize| {
        let base = Payload::valid().with(cbor::text("padding"), cbor::filled(1000));
        let padding = 1000 + length - base.sign().len();
        base.set("padding", cbor::filled(padding)).sign()
    };
    let model = Expected::validation(
        "1 validation error detected: Value at 'recipient.attestationDocument' failed to satisfy \
         constraint: Member must have length less than or equal to 262144",
    );
    let long = |length| M::TooLong { length };
    row("A25", "a document over 16 KiB")
        .accepts("16384", of_length(MAX_DOCUMENT_LENGTH))
        .rejects("16385", of_length(MAX_DOCUMENT_LENGTH + 1), long(16_385))
        .rejects("262144", vec![0x84; 262_144], long(262_144))
        .rejects_by_api_limit("262145", vec![0x84; 262_145], long(262_145), model)
}

fn not_shortest() -> Row {
    let payload = Payload::valid();
    let encoded = payload.encode();
    let signed = Envelope::signed(&encoded);
    let at = |offset| CborError { offset, fault: CborFault::NotShortest };
    let wide_payload =
        [cbor::wide_head(cbor::BYTES, 2, u64::try_from(encoded.len()).unwrap()), encoded.clone()];
    let wide_signature = [&[0x59, 0, 96], &signed.raw_signature()[..]].concat();
    let signature_offset = Envelope::OFFSET_OF_PAYLOAD + signed.payload.len();
    let parts =
        [&signed.protected[..], &signed.unprotected, &signed.payload, &signed.signature].concat();
    let field = |row: Row, (field, value): (&'static str, Vec<u8>), inside: usize| {
        let changed = payload.clone().set(field, value);
        let error = at(changed.offset_of_value(field) + inside);
        row.rejects(format!("{field}, {inside}"), changed.sign(), M::Field { field, error })
    };
    let row = row("A26", "non-minimal lengths")
        .rejects("the array", [&[0x98, 4], &parts[..]].concat(), M::NotCoseSign1)
        .rejects("tag 18", [&[0xd8, 18], &signed.encode()[..]].concat(), M::NotCoseSign1)
        .rejects(
            "the protected header",
            cose::sign(&[&[0x58, 4], &ES384[..]].concat(), &ES384, &[0xa0], &encoded),
            M::ProtectedHeader,
        )
        .rejects(
            "alg",
            cose::sign(&[0x45, 0xa1, 1, 0x39, 0, 34], &[0xa1, 1, 0x39, 0, 34], &[0xa0], &encoded),
            M::ProtectedHeader,
        )
        .rejects(
            "the unprotected header",
            Envelope { unprotected: vec![0xb8, 0], ..signed.clone() }.encode(),
            M::UnprotectedHeader,
        )
        .rejects(
            "the payload",
            Envelope { payload: wide_payload.concat(), ..signed.clone() }.encode(),
            M::Payload(at(7)),
        )
        .rejects(
            "the signature",
            Envelope { signature: wide_signature, ..signed.clone() }.encode(),
            M::Signature(at(signature_offset)),
        )
        .rejects(
            "the map",
            payload.sign_as(&[&[0xb8, 9], &encoded[1..]].concat()),
            M::Encoding(at(10)),
        );
    let row = field(row, ("module_id", [&[0x78, 1], &b"i"[..]].concat()), 0);
    let row = field(row, ("timestamp", vec![0x1b, 0, 0, 0, 0, 1, 0, 0, 0]), 0);
    let row = field(row, ("pcrs", [&[0xb8, 1][..], &[0], &cbor::filled(48)].concat()), 0);
    let row = field(row, ("cabundle", [&[0x98, 4], &payload.value("cabundle")[1..]].concat()), 0);
    let row = field(row, ("user_data", [0x58, 1, 0].to_vec()), 0);
    // The next encodings change the index of a PCR, the length of a PCR's value, and the length of
    // a certificate.
    let row = field(row, ("pcrs", [&[0xa1, 0x18, 0], &cbor::filled(48)[..]].concat()), 1);
    let row = field(row, ("pcrs", [&[0xa1, 0, 0x59, 0, 48], &[7; 48][..]].concat()), 2);
    let row = field(row, ("cabundle", [0x82, 0x58, 1, 7, 0x41, 7].to_vec()), 1);
    let key = payload.clone().rename("nonce", [&[0x78, 5], &b"nonce"[..]].concat());
    let offset = key.offset_of_last_key();
    row.rejects("a key", key.sign(), M::FieldName(at(offset)))
}

fn re_encoded() -> Row {
    let payload = Payload::valid();
    let signed = Envelope::signed(&payload.encode());
    let again =
        |payload: &[u8]| Envelope { payload: cbor::bytes(payload), ..signed.clone() }.encode();
    let reordered =
        payload.clone().without("nonce").with(cbor::text("nonce"), cbor::bytes(b"nonce"));
    let mut rows = row("A27", "payload re-encoded, old signature")
        .accepts("unchanged", again(&reordered.encode()))
        .rejects(
            "indefinite map",
            again(&payload.encode_indefinite()),
            UntrustedDocument::DocumentSignature,
        );
    let moved = payload
        .clone()
        .without("module_id")
        .with(cbor::text("module_id"), payload.value("module_id").to_vec());
    rows =
        rows.rejects("another order", again(&moved.encode()), UntrustedDocument::DocumentSignature);
    let more = payload.with(cbor::text("x"), NULL.to_vec());
    rows.rejects("one more field", again(&more.encode()), UntrustedDocument::DocumentSignature)
}

fn flipped_bits() -> Row {
    use UntrustedDocument::{ChainSignature, DocumentSignature, UnknownRoot};
    let payload = Payload::valid();
    let document = payload.sign();
    let flipped = |offset: usize| {
        let mut document = document.clone();
        document[offset] ^= 1;
        document
    };
    let end = |field: &str| payload.offset_of_value(field) + payload.value(field).len() - 1;
    let mut row = row("A28", "one flipped bit, over every field");
    for field in ["module_id", "timestamp", "pcrs", "public_key", "user_data", "nonce"] {
        row = row.rejects(field, flipped(end(field)), DocumentSignature);
    }
    let first = payload.offset_of_value("cabundle") + 1;
    let root_length = cbor::bytes(crate::harness::service::valid_document().root()).len();
    let length = document.len();
    row.rejects("digest", flipped(end("digest")), M::Digest)
        .rejects("certificate", flipped(end("certificate")), ChainSignature)
        .rejects("the last CA", flipped(end("cabundle")), ChainSignature)
        .rejects("the root", flipped(first + root_length - 1), UnknownRoot)
        .rejects("r", flipped(length - 96), DocumentSignature)
        .rejects("s", flipped(length - 1), DocumentSignature)
}
