//! Tests that break one rule of the payload each.

use super::*;
use crate::cbor::CborFault;

/// Returns the head of a data item in its shortest form.
fn head(major: u8, argument: usize) -> Vec<u8> {
    let major = major << 5;
    match argument {
        0..=23 => vec![major | u8::try_from(argument).unwrap()],
        24..=0xff => vec![major | 24, u8::try_from(argument).unwrap()],
        _ => [&[major | 25][..], &u16::try_from(argument).unwrap().to_be_bytes()].concat(),
    }
}

fn bytes(length: usize) -> Vec<u8> {
    [head(2, length), vec![7; length]].concat()
}

fn text(text: &str) -> Vec<u8> {
    [&head(3, text.len()), text.as_bytes()].concat()
}

fn array(items: &[Vec<u8>]) -> Vec<u8> {
    [head(4, items.len()), items.concat()].concat()
}

fn pcrs(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let entries: Vec<u8> = entries.iter().flat_map(|(k, v)| [&k[..], v].concat()).collect();
    entries
}

fn pcr_map(count: usize) -> Vec<u8> {
    let entries: Vec<_> = (0..count).map(|index| (head(0, index), bytes(48))).collect();
    [head(5, count), pcrs(&entries)].concat()
}

const NULL: [u8; 1] = [0xf6];

/// The fields of a valid payload, which tests change before encoding.
#[derive(Clone)]
struct Fields(Vec<(Vec<u8>, Vec<u8>)>);

impl Fields {
    fn good() -> Self {
        let field = |name: &str, value: Vec<u8>| (text(name), value);
        Self(vec![
            field("module_id", text("i-0")),
            field("digest", text("SHA384")),
            field("timestamp", head(0, 1000)),
            field("pcrs", pcr_map(16)),
            field("certificate", bytes(1)),
            field("cabundle", array(&[bytes(1), bytes(1024)])),
            field("public_key", bytes(1024)),
            field("user_data", bytes(0)),
            field("nonce", NULL.to_vec()),
        ])
    }

    fn set(mut self, name: &str, value: Vec<u8>) -> Self {
        let field = self.0.iter_mut().find(|(key, _)| *key == text(name)).unwrap();
        field.1 = value;
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.0.retain(|(key, _)| *key != text(name));
        self
    }

    fn with(mut self, key: Vec<u8>, value: Vec<u8>) -> Self {
        self.0.push((key, value));
        self
    }

    fn parse(&self) -> Result<Payload, MalformedDocument> {
        let entries: Vec<u8> = self.0.iter().flat_map(|(k, v)| [&k[..], v].concat()).collect();
        parse(&[head(5, self.0.len()), entries].concat())
    }

    fn rejection(&self) -> MalformedDocument {
        self.parse().unwrap_err()
    }
}

fn parse(payload: &[u8]) -> Result<Payload, MalformedDocument> {
    Payload::parse(payload, 0..payload.len())
}

fn set(name: &str, value: Vec<u8>) -> MalformedDocument {
    Fields::good().set(name, value).rejection()
}

fn length(field: &'static str, length: usize, min: usize, max: usize) -> MalformedDocument {
    MalformedDocument::FieldLength { field, length, min, max }
}

// Corpus: B24.
#[test]
fn accepts_both_map_lengths_and_null_optional_fields() {
    let good = Fields::good();
    let payload = good.parse().unwrap();
    assert_eq!(payload.timestamp, UnixMillis::new(1000));
    assert_eq!(payload.cabundle.len(), 2);
    assert_eq!((payload.public_key.unwrap().len(), payload.user_data.unwrap().len()), (1024, 0));
    assert!(payload.nonce.is_none());
    let entries: Vec<u8> = good.0.iter().flat_map(|(k, v)| [&k[..], v].concat()).collect();
    assert!(parse(&[&[0xbf][..], &entries, &[0xff]].concat()).is_ok());
    let indefinite = [&[0xbf][..], &head(0, 0), &bytes(48), &[0xff]].concat();
    assert!(good.clone().set("pcrs", indefinite).parse().is_ok());
    assert!(
        good.set("cabundle", [&[0x9f][..], &bytes(1), &bytes(1), &[0xff]].concat()).parse().is_ok()
    );
}

// Corpus: A04.
#[test]
fn rejects_bytes_after_map() {
    let entries: Vec<u8> =
        Fields::good().0.iter().flat_map(|(k, v)| [&k[..], v].concat()).collect();
    let trailing = [&head(5, 9), &entries[..], &[0, 0]].concat();
    let expected = MalformedDocument::TrailingPayloadBytes { count: 2 };
    assert_eq!(parse(&trailing).unwrap_err(), expected);
}

// Corpus: B01.
#[test]
fn rejects_duplicate_field_even_if_null() {
    let names = [
        "module_id",
        "digest",
        "timestamp",
        "pcrs",
        "certificate",
        "cabundle",
        "public_key",
        "user_data",
        "nonce",
    ];
    for name in names {
        let again = Fields::good().with(text(name), NULL.to_vec());
        assert_eq!(again.rejection(), MalformedDocument::DuplicateField { field: name });
    }
    let unknown = Fields::good().with(text("x"), NULL.to_vec()).with(text("x"), NULL.to_vec());
    assert_eq!(unknown.rejection(), MalformedDocument::DuplicateField { field: "(unknown)" });
}

// Corpus: B02, B11, B12, B13.
#[test]
fn rejects_duplicate_out_of_range_or_missized_pcr() {
    let one =
        |key: Vec<u8>, value: Vec<u8>| set("pcrs", [head(5, 1), pcrs(&[(key, value)])].concat());
    let twice = [head(5, 2), pcrs(&[(head(0, 3), bytes(48)), (head(0, 3), bytes(48))])].concat();
    assert_eq!(set("pcrs", twice), MalformedDocument::DuplicatePcr { index: 3 });
    for size in [0, 32, 47, 49] {
        let expected = MalformedDocument::PcrLength { index: 0, length: size };
        assert_eq!(one(head(0, 0), bytes(size)), expected);
    }
    assert_eq!(one(head(0, 32), bytes(48)), MalformedDocument::PcrIndex { index: 32 });
    let greatest = [&[0x1b][..], &[0xff; 8]].concat();
    assert_eq!(one(greatest, bytes(48)), MalformedDocument::PcrIndex { index: u64::MAX });
    let negative = one(vec![0x20], bytes(48));
    assert!(matches!(negative, MalformedDocument::Field { field: "pcrs", .. }), "{negative}");
    assert_eq!(set("pcrs", head(5, 0)), length("pcrs", 0, 1, 32));
    assert!(Fields::good().set("pcrs", pcr_map(32)).parse().is_ok());
    assert_eq!(set("pcrs", pcr_map(33)), MalformedDocument::PcrIndex { index: 32 });
}

// Corpus: B03.
#[test]
fn skips_at_most_16_unknown_fields() {
    let mut fields = Fields::good();
    for index in 0..16 {
        fields = fields.with(text(&format!("x{index}")), array(&[head(0, index), NULL.to_vec()]));
    }
    assert!(fields.parse().is_ok());
    let more = fields.with(text("y"), NULL.to_vec());
    assert_eq!(more.rejection(), MalformedDocument::TooManyUnknownFields);
    let broken = Fields::good().with(text("x"), vec![0x1c]);
    assert!(matches!(broken.rejection(), MalformedDocument::Encoding(_)));
}

// Corpus: B04, B05, B06.
#[test]
fn rejects_non_text_keys_and_non_map_payload() {
    let integer = Fields::good().with(head(0, 1), NULL.to_vec()).rejection();
    assert!(matches!(integer, MalformedDocument::FieldName(_)), "{integer}");
    for payload in [array(&[]), [&[0xd8, 99][..], &head(5, 0)].concat(), vec![0xf6], vec![]] {
        let rejected = parse(&payload).unwrap_err();
        assert!(matches!(rejected, MalformedDocument::Encoding(_)), "{rejected}");
    }
}

// Corpus: B07.
#[test]
fn rejects_missing_or_null_mandatory_field() {
    for name in ["module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle"] {
        let expected = MalformedDocument::MissingField { field: name };
        assert_eq!(Fields::good().without(name).rejection(), expected);
        assert_eq!(set(name, NULL.to_vec()), expected);
    }
    for name in ["public_key", "user_data", "nonce"] {
        assert!(Fields::good().without(name).parse().is_ok());
    }
}

// Corpus: B08, B09.
#[test]
fn rejects_other_digest_and_invalid_timestamp() {
    for digest in ["SHA256", "sha384", "SHA512", ""] {
        assert_eq!(set("digest", text(digest)), MalformedDocument::Digest);
    }
    assert_eq!(set("timestamp", head(0, 0)), MalformedDocument::ZeroTimestamp);
    let negative = set("timestamp", vec![0x20]);
    assert!(matches!(negative, MalformedDocument::Field { field: "timestamp", .. }));
}

// Corpus: B17 to B21.
#[test]
fn rejects_fields_outside_their_size_limits() {
    assert_eq!(set("public_key", bytes(0)), length("public_key", 0, 1, 1024));
    assert_eq!(set("public_key", bytes(1025)), length("public_key", 1025, 1, 1024));
    for field in ["user_data", "nonce"] {
        assert!(Fields::good().set(field, bytes(1024)).parse().is_ok());
        assert_eq!(set(field, bytes(1025)), length(field, 1025, 0, 1024));
    }
    assert_eq!(set("module_id", text("")), length("module_id", 0, 1, 1024));
    let huge = "i".repeat(64 * 1024 - 1);
    assert_eq!(set("module_id", text(&huge)), length("module_id", huge.len(), 1, 1024));
    assert_eq!(set("module_id", text("i\0")), MalformedDocument::ModuleIdControl);
    assert_eq!(set("certificate", bytes(0)), length("certificate", 0, 1, 1024));
    assert_eq!(set("certificate", bytes(1025)), length("certificate", 1025, 1, 1024));
    for size in [0, 1025] {
        let cabundle = array(&[bytes(1), bytes(size)]);
        assert_eq!(set("cabundle", cabundle), length("cabundle", size, 1, 1024));
    }
    let invalid = set("module_id", vec![0x61, 0xff]);
    let MalformedDocument::Field { error, .. } = invalid else { panic!("{invalid}") };
    assert_eq!(error.fault, CborFault::Utf8);
}

// Corpus: B22.
#[test]
fn rejects_float_bignum_and_undefined_for_integer() {
    for value in [vec![0xfb, 0, 0, 0, 0, 0, 0, 0, 1], vec![0xc2, 0x41, 1], vec![0xf7]] {
        let rejected = set("timestamp", value);
        assert!(matches!(rejected, MalformedDocument::Field { field: "timestamp", .. }));
    }
}

// Corpus: B23.
#[test]
fn rejects_two_pcr_families() {
    let both = Fields::good().with(text("nitrotpm_pcrs"), pcr_map(24));
    assert_eq!(both.rejection(), MalformedDocument::TwoPcrFamilies);
    let tpm = Fields::good().without("pcrs").with(text("nitrotpm_pcrs"), pcr_map(24));
    assert_eq!(tpm.parse().unwrap().pcrs.family, PcrFamily::NitroTpm);
}

// Corpus: C21, C22.
#[test]
fn rejects_cabundle_of_fewer_than_2_or_more_than_5() {
    for count in [0, 1, 6, 100] {
        let cabundle = array(&vec![bytes(1); count]);
        assert_eq!(set("cabundle", cabundle), MalformedDocument::CabundleCount { count });
    }
    for count in [2, 5] {
        assert!(Fields::good().set("cabundle", array(&vec![bytes(1); count])).parse().is_ok());
    }
    // At most six certificates of an indefinite array are read.
    let endless = [vec![0x9f], bytes(1).repeat(100), vec![0xff]].concat();
    assert_eq!(set("cabundle", endless), MalformedDocument::CabundleCount { count: 6 });
}
