//! Rows B: the payload of a document.

use attestation::time::UnixMillis;
use attestation::{
    CborError, CborFault, MalformedDocument as M, PCR_LENGTH, RecipientKeyError, UntrustedDocument,
};

use crate::harness::cbor::{self, BREAK, NULL};
use crate::harness::payload::{Payload, one_pcr, pcrs};
use crate::harness::row::{Row, row};
use crate::harness::service::{NOW, valid_document, verification_time};

pub(crate) fn rows() -> Vec<Row> {
    [keys(), shapes(), times(), registers(), recipient_and_data(), sizes(), types()]
        .into_iter()
        .flatten()
        .collect()
}

/// Returns a signed payload with one changed field, and the offset of the field's value in the
/// document.
fn set(field: &str, value: Vec<u8>) -> (Vec<u8>, usize) {
    let changed = Payload::valid().set(field, value);
    (changed.sign(), changed.offset_of_value(field))
}

fn wrong_type(expected: &'static str, found: &'static str, offset: usize) -> CborError {
    CborError { offset, fault: CborFault::Type { expected, found } }
}

fn length(field: &'static str, length: usize, min: usize, max: usize) -> M {
    M::FieldLength { field, length, min, max }
}

/// Returns the rows B01 to B03.
fn keys() -> Vec<Row> {
    let again = |name: &str, value: Vec<u8>| Payload::valid().with(cbor::text(name), value).sign();
    let mut duplicates = row("B01", "duplicate text key");
    for field in Payload::names() {
        let expected = M::DuplicateField { field };
        let same = Payload::valid().value(field).to_vec();
        duplicates = duplicates
            .rejects(format!("{field}, equal"), again(field, same), expected.clone())
            .rejects(format!("{field}, null"), again(field, NULL.to_vec()), expected);
    }
    let unknown = Payload::valid().with(cbor::text("x"), NULL.to_vec());
    let twice = unknown.clone().with(cbor::text("x"), cbor::unsigned(1));
    let register = (cbor::unsigned(3), cbor::filled(PCR_LENGTH));
    let registers = cbor::map(&[register.clone(), register]);
    let mut passed_over = row("B03", "unknown text key: accepted");
    for (case, value) in [
        ("null", NULL.to_vec()),
        ("map", cbor::map(&[(cbor::unsigned(1), cbor::text("a"))])),
        ("tagged", [&[0xc0], &cbor::text("2026")[..]].concat()),
        ("indefinite array", [&[0x9f][..], &cbor::unsigned(1), &BREAK].concat()),
        ("float", vec![0xfb, 0x40, 9, 0x21, 0xfb, 0x54, 0x44, 0x2d, 0x18]),
    ] {
        passed_over = passed_over.accepts(case, again("x", value));
    }
    let many = |count: u64| {
        (0..count).fold(Payload::valid(), |payload, index| {
            payload.with(cbor::text(&format!("x{index}")), cbor::unsigned(index))
        })
    };
    let tpm = |registers: Vec<u8>| {
        Payload::valid().without("pcrs").with(cbor::text("nitrotpm_pcrs"), registers)
    };
    let twice_tpm = tpm(pcrs(24)).with(cbor::text("nitrotpm_pcrs"), pcrs(24));
    let field = "nitrotpm_pcrs";
    let duplicates = duplicates.rejects(field, twice_tpm.sign(), M::DuplicateField { field });
    let tpm_registers = tpm(registers.clone()).sign();
    vec![
        duplicates.rejects("unknown", twice.sign(), M::DuplicateField { field: "(unknown)" }),
        row("B02", "duplicate PCR index")
            .rejects("pcrs", set("pcrs", registers).0, M::DuplicatePcr { index: 3 })
            .rejects("nitrotpm_pcrs", tpm_registers, M::DuplicatePcr { index: 3 }),
        passed_over.accepts("sixteen fields", many(16).sign()).rejects(
            "seventeen fields",
            many(17).sign(),
            M::TooManyUnknownFields,
        ),
    ]
}

/// Returns the rows B04 to B08.
fn shapes() -> Vec<Row> {
    let valid = Payload::valid();
    let at = valid.offset_of_payload();
    let integer = valid.clone().rename("nonce", cbor::unsigned(9));
    let found_integer = wrong_type("text string", "unsigned integer", integer.offset_of_last_key());
    let bytes = valid.clone().rename("nonce", cbor::bytes(b"nonce"));
    let found_bytes = wrong_type("text string", "byte string", bytes.offset_of_last_key());
    let values: Vec<Vec<u8>> =
        Payload::names().iter().map(|name| valid.value(name).to_vec()).collect();
    let tagged = [&[0xd8, 99], &valid.encode()[..]].concat();
    let array = valid.sign_as(&cbor::array(&values));
    // The array and the map are longer than 255 bytes, so the payload starts at the same offset in
    // both documents.
    let mut rows = vec![
        row("B04", "integer field keys")
            .rejects("integer", integer.sign(), M::FieldName(found_integer))
            .rejects("byte string", bytes.sign(), M::FieldName(found_bytes)),
        row("B05", "payload as an array").rejects(
            "",
            array,
            M::Encoding(wrong_type("map", "array", at)),
        ),
        row("B06", "payload inside tag 99").rejects(
            "",
            valid.sign_as(&tagged),
            M::Encoding(wrong_type("map", "tag", at)),
        ),
    ];
    let mut missing = row("B07", "a mandatory key missing");
    for field in ["module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle"] {
        let expected = M::MissingField { field };
        missing = missing
            .rejects(field, valid.clone().without(field).sign(), expected.clone())
            .rejects(format!("{field}, null"), set(field, NULL.to_vec()).0, expected);
    }
    rows.push(missing.rejects("all", valid.sign_as(&[0xa0]), M::MissingField { field: "pcrs" }));
    let digests = ["SHA256", "sha384", "SHA512", "SHA384 ", ""];
    rows.push(digests.into_iter().fold(row("B08", "another digest"), |row, digest| {
        row.rejects(digest, set("digest", cbor::text(digest)).0, M::Digest)
    }));
    rows
}

/// Returns the rows B09 and B10.
fn times() -> Vec<Row> {
    let at = |millis: u64| set("timestamp", cbor::unsigned(millis));
    let (negative, offset) = set("timestamp", vec![0x20]);
    let error = wrong_type("unsigned integer", "negative integer", offset);
    let timestamp = UnixMillis::new(u64::MAX);
    let seconds = NOW.as_secs();
    let now = NOW.as_millis();
    let verification_time = |millis| verification_time(UnixMillis::new(millis));
    let future = |millis| UntrustedDocument::TimestampInFuture { at: verification_time(millis) };
    let too_old =
        |millis| UntrustedDocument::TooOld { max_age_secs: 300, at: verification_time(millis) };
    vec![
        row("B09", "an invalid timestamp")
            .rejects("0", at(0).0, M::ZeroTimestamp)
            .rejects("2^64 - 1", at(timestamp.as_millis()).0, future(u64::MAX))
            .rejects("negative", negative, M::Field { field: "timestamp", error })
            .rejects("in seconds", at(seconds).0, too_old(seconds))
            .rejects("1", at(1).0, too_old(1)),
        row("B10", "a timestamp at the limits, one millisecond either side")
            .accepts("max_age", at(now - 300_000).0)
            .rejects("max_age and 1 ms", at(now - 300_001).0, too_old(now - 300_001))
            .accepts("1 ms less than max_age", at(now - 299_999).0)
            .accepts("skew", at(now + 60_000).0)
            .rejects("skew and 1 ms", at(now + 60_001).0, future(now + 60_001))
            .accepts("1 ms less than skew", at(now + 59_999).0),
    ]
}

/// Returns the rows B11 to B14, B23.
fn registers() -> Vec<Row> {
    let one = |index: &[u8], value: Vec<u8>| set("pcrs", one_pcr(index, value));
    let sizes = [0, 32, 47, 49, 64];
    let b11 = sizes.into_iter().fold(row("B11", "PCR of another size"), |row, length| {
        let document = one(&[0], cbor::filled(length)).0;
        row.rejects(length.to_string(), document, M::PcrLength { index: 0, length })
    });
    let value = || cbor::filled(PCR_LENGTH);
    let greatest = u64::MAX;
    let (negative, offset) = one(&[0x20], value());
    let error = wrong_type("unsigned integer", "negative integer", offset + 1);
    let (text, text_offset) = one(&cbor::text("0"), value());
    let text_error = wrong_type("unsigned integer", "text string", text_offset + 1);
    let zero = |registers: &[u8]| {
        let mut forgery = valid_document();
        forgery.document.pcrs.extend(registers.iter().map(|index| (*index, [0; 48])));
        forgery.sign().unwrap()
    };
    let tpm = |payload: Payload| payload.with(cbor::text("nitrotpm_pcrs"), pcrs(24));
    let neither = M::MissingField { field: "pcrs" };
    vec![
        b11,
        row("B12", "PCR index out of range")
            .rejects("32", one(&cbor::unsigned(32), value()).0, M::PcrIndex { index: 32 })
            .rejects("-1", negative, M::Field { field: "pcrs", error })
            .rejects("text", text, M::Field { field: "pcrs", error: text_error })
            .rejects(
                "2^64 - 1",
                one(&cbor::unsigned(greatest), value()).0,
                M::PcrIndex { index: greatest },
            ),
        row("B13", "no PCRs, 33 PCRs")
            .rejects("0", set("pcrs", cbor::map(&[])).0, length("pcrs", 0, 1, 32))
            .accepts("1", set("pcrs", pcrs(1)).0)
            .accepts("32", set("pcrs", pcrs(32)).0)
            .rejects("33", set("pcrs", pcrs(33)).0, M::PcrIndex { index: 32 }),
        row("B14", "PCR0, 1 and 2 all zero: debug mode")
            .rejects("", zero(&[0, 1, 2]), UntrustedDocument::DebugMode)
            .accepts("PCR2 is not", zero(&[0, 1]))
            .accepts("PCR1 is not", zero(&[0, 2]))
            .accepts("PCR0 is not", zero(&[1, 2])),
        row("B23", "both families of PCRs, or neither")
            .rejects("both", tpm(Payload::valid()).sign(), M::TwoPcrFamilies)
            .rejects("neither", Payload::valid().without("pcrs").sign(), neither)
            .accepts("nitrotpm_pcrs alone", tpm(Payload::valid().without("pcrs")).sign()),
    ]
}

/// Returns the rows B17 to B19.
fn recipient_and_data() -> Vec<Row> {
    let absent = RecipientKeyError::Absent;
    let mut data = row("B19", "user_data and nonce at their limits");
    for field in ["user_data", "nonce"] {
        data = data
            .accepts(format!("{field}, 0"), set(field, cbor::filled(0)).0)
            .accepts(format!("{field}, 1024"), set(field, cbor::filled(1024)).0)
            .rejects(
                format!("{field}, 1025"),
                set(field, cbor::filled(1025)).0,
                length(field, 1025, 0, 1024),
            );
    }
    let both =
        Payload::valid().set("user_data", cbor::filled(1024)).set("nonce", cbor::filled(1024));
    vec![
        row("B17", "public_key absent, null, empty")
            .rejects("absent", Payload::valid().without("public_key").sign(), absent)
            .rejects("null", set("public_key", NULL.to_vec()).0, absent)
            .rejects(
                "empty",
                set("public_key", cbor::filled(0)).0,
                length("public_key", 0, 1, 1024),
            ),
        row("B18", "public_key of 1025 bytes")
            .rejects(
                "1025",
                set("public_key", cbor::filled(1025)).0,
                length("public_key", 1025, 1, 1024),
            )
            .rejects("1024", set("public_key", cbor::filled(1024)).0, RecipientKeyError::NotSpki),
        data.accepts("both 1024", both.sign()),
    ]
}

/// Returns the rows B20 and B21.
fn sizes() -> Vec<Row> {
    let module_id = |text: &str| set("module_id", cbor::text(text)).0;
    let (invalid, offset) = set("module_id", vec![0x62, 0xc3, 0x28]);
    let error = CborError { offset: offset + 1, fault: CborFault::Utf8 };
    let huge = module_id(&"i".repeat(64 * 1024));
    let too_long = M::TooLong { length: huge.len() };
    let mut b20 = row("B20", "module_id empty, of control characters, too long, invalid UTF-8")
        .rejects("empty", module_id(""), length("module_id", 0, 1, 1024))
        .accepts("1024", module_id(&"i".repeat(1024)))
        .rejects("1025", module_id(&"i".repeat(1025)), length("module_id", 1025, 1, 1024))
        .rejects("64 KiB", huge, too_long)
        .rejects("invalid UTF-8", invalid, M::Field { field: "module_id", error });
    for control in ["\0", "i-0\0", "\n", "i\u{1b}[2J", "\u{7f}", "\u{9b}"] {
        b20 = b20.rejects(format!("{control:?}"), module_id(control), M::ModuleIdControl);
    }
    let certificate = |count: usize| set("certificate", cbor::filled(count)).0;
    let ca = |count: usize| set("cabundle", cbor::array(&[cbor::filled(1), cbor::filled(count)])).0;
    let mut b21 = row("B21", "certificate empty, 1025 bytes");
    for count in [0, 1025] {
        b21 = b21
            .rejects(count.to_string(), certificate(count), length("certificate", count, 1, 1024))
            .rejects(
                format!("in the cabundle, {count}"),
                ca(count),
                length("cabundle", count, 1, 1024),
            );
    }
    vec![b20, b21]
}

/// Returns the rows B22 and B24.
fn types() -> Vec<Row> {
    let mut b22 = row("B22", "another type for an integer");
    for (case, found, value) in [
        ("float", "float", vec![0xfb, 0x42, 0x79, 0, 0, 0, 0, 0, 0]),
        ("half float", "float", vec![0xf9, 0x3c, 0]),
        ("bignum", "tag", vec![0xc2, 0x41, 1]),
        ("undefined", "simple value", vec![0xf7]),
        ("true", "boolean", vec![0xf5]),
        ("text", "text string", cbor::text("1")),
    ] {
        let (document, offset) = set("timestamp", value.clone());
        let error = wrong_type("unsigned integer", found, offset);
        b22 = b22.rejects(
            format!("timestamp: {case}"),
            document,
            M::Field { field: "timestamp", error },
        );
        let (document, offset) = set("pcrs", one_pcr(&value, cbor::filled(PCR_LENGTH)));
        let error = wrong_type("unsigned integer", found, offset + 1);
        b22 =
            b22.rejects(format!("PCR index: {case}"), document, M::Field { field: "pcrs", error });
    }
    let valid = Payload::valid();
    let endless = |opening: u8, definite: &[u8], head: usize| {
        [&[opening], &definite[head..], &BREAK].concat()
    };
    let registers = endless(0xbf, valid.value("pcrs"), 1);
    let cabundle = endless(0x9f, valid.value("cabundle"), 1);
    let nulls = valid.clone().set("user_data", NULL.to_vec()).set("nonce", NULL.to_vec());
    let absent = valid.clone().without("user_data").without("nonce");
    vec![
        b22,
        row("B24", "indefinite maps and null optionals: accepted")
            .accepts("payload", valid.sign_as(&valid.encode_indefinite()))
            .accepts("pcrs", valid.clone().set("pcrs", registers.clone()).sign())
            .accepts("cabundle", valid.clone().set("cabundle", cabundle).sign())
            .accepts("null optionals", nulls.sign())
            .accepts("absent optionals", absent.sign())
            .accepts(
                "payload and pcrs",
                valid.sign_as(&valid.clone().set("pcrs", registers).encode_indefinite()),
            ),
    ]
}
