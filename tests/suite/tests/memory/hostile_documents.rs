//! Documents that cause large allocations in a careless reader.

use attestation::{MAX_DOCUMENT_LENGTH, UntrustedDocument};
use simulator::{CertificateSpec, Extension, Key, KeyUsage, Overrides};

use crate::simulated_pki::{NOW, TestPki};

const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const BREAK: u8 = 0xff;

/// The envelope before the payload, as AWS encodes it.
const BEFORE_PAYLOAD: [u8; 7] = [0x84, 0x44, 0xa1, 0x01, 0x38, 0x22, 0xa0];

fn string(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap();
    let [high, low] = length.to_be_bytes();
    let head = match length {
        0..=23 => vec![0x40 | low],
        24..=0xff => vec![0x58, low],
        _ => vec![0x59, high, low],
    };
    [&head, content].concat()
}

/// Wraps a payload in an envelope with an invalid signature.
fn unsigned(payload: &[u8]) -> Vec<u8> {
    [&BEFORE_PAYLOAD[..], &string(payload), &string(&[7; 96])].concat()
}

/// Encodes the head of an item with this length, in its shortest form. The item may be absent.
fn claim(major: u8, length: u64) -> Vec<u8> {
    match u32::try_from(length) {
        Ok(length) => [&[major << 5 | 26][..], &length.to_be_bytes()].concat(),
        Err(_) => [&[major << 5 | 27][..], &length.to_be_bytes()].concat(),
    }
}

/// Returns documents for the row A24 of the corpus. Each length field has a length that is greater
/// than the rest of the document.
pub(crate) fn claimed_lengths() -> Vec<(String, Vec<u8>)> {
    let inner: [(&str, &[u8], u8); 15] = [
        ("the payload's map", b"", MAP),
        ("a field's name", b"\xbf", TEXT),
        ("module_id", b"\xbf\x69module_id", TEXT),
        ("pcrs", b"\xbf\x64pcrs", MAP),
        ("a PCR", b"\xbf\x64pcrs\xbf\x00", BYTES),
        ("certificate", b"\xbf\x6bcertificate", BYTES),
        ("cabundle", b"\xbf\x68cabundle", ARRAY),
        ("a CA", b"\xbf\x68cabundle\x9f", BYTES),
        ("public_key", b"\xbf\x6apublic_key", BYTES),
        ("nonce", b"\xbf\x65nonce", BYTES),
        ("unknown bytes", b"\xbf\x61x", BYTES),
        ("unknown text", b"\xbf\x61x", TEXT),
        ("unknown array", b"\xbf\x61x", ARRAY),
        ("unknown map", b"\xbf\x61x", MAP),
        ("unknown nested array", b"\xbf\x61x\xa1\x00\xc1\x81", ARRAY),
    ];
    let mut documents = Vec::new();
    for length in [0xffff_ffff, 1 << 63, u64::MAX] {
        let signature = [&BEFORE_PAYLOAD[..], &string(&[0xa0]), &claim(BYTES, length)].concat();
        let payload = [&BEFORE_PAYLOAD[..], &claim(BYTES, length), &[0; 96]].concat();
        documents.push((format!("the signature's {length}"), signature));
        documents.push((format!("the payload's {length}"), payload));
        for (place, before, major) in inner {
            let payload = [before, &claim(major, length), &[0; 200]].concat();
            documents.push((format!("{place}'s {length}"), unsigned(&payload)));
        }
    }
    documents
}

/// Returns documents whose encoding is rejected.
pub(crate) fn malformed(pki: &TestPki) -> Vec<(&'static str, Vec<u8>)> {
    let start = pki.open_payload(pki.chain.certificate(), &pki.chain.cabundle());
    let remaining = MAX_DOCUMENT_LENGTH - unsigned(&start).len() - 1;
    let with = |filling: &[u8]| {
        assert!(filling.len() <= remaining);
        unsigned(&[&start[..], filling, &[BREAK]].concat())
    };
    // {"aa": 0, "ab": 0, ...}
    let names = (b'a'..=b'z').flat_map(|a| (b'a'..=b'z').map(move |b| [0x62, a, b, 0]));
    let names: Vec<u8> = names.flatten().take(remaining / 4 * 4).collect();
    let certificates = vec![&[7; 100][..]; 100];
    let cabundle = pki.open_payload(pki.chain.certificate(), &certificates);
    vec![
        ("hundreds of unknown fields", with(&names)),
        ("nesting throughout", with(&[&b"\x61x"[..], &vec![0x81; remaining - 2]].concat())),
        (
            "nesting in maps",
            with(&[&b"\x61x"[..], &[0xbf, 0x00].repeat(remaining / 2 - 1)].concat()),
        ),
        ("tags throughout", with(&[&b"\x61x"[..], &vec![0xc1; remaining - 2]].concat())),
        ("a cabundle of one hundred", unsigned(&[&cabundle[..], &[BREAK]].concat())),
        ("zeros", vec![0; MAX_DOCUMENT_LENGTH]),
    ]
}

/// Returns well-formed documents, each with a name and the expected error.
pub(crate) fn well_formed(
    pki: &TestPki,
) -> Vec<(&'static str, Vec<u8>, Option<UntrustedDocument>)> {
    let signature = || Some(UntrustedDocument::DocumentSignature);
    let start = pki.open_payload(pki.chain.certificate(), &pki.chain.cabundle());
    let filled = |values: &[Vec<u8>]| {
        let fields =
            (b'a'..).zip(values).flat_map(|(name, value)| [&[0x61, name], &value[..]].concat());
        unsigned(&[&start[..], &fields.collect::<Vec<u8>>(), &[BREAK]].concat())
    };
    let remaining = MAX_DOCUMENT_LENGTH - unsigned(&start).len();
    let nested = |length: usize| {
        let mut value = [&[0x81; 15][..], &[0x9f]].concat();
        value.resize(length, 0x00);
        [&value[..], &[BREAK]].concat()
    };
    let wide = vec![nested(remaining / 16 - 6); 16];
    vec![
        ("the longest genuine document", pki.longest_document(), None),
        ("one long unknown field", filled(&[string(&vec![7; remaining - 8])]), signature()),
        ("sixteen unknown fields of many items", filled(&wide), signature()),
        ("names of many parts", oversized_chain(pki, CertificateFilling::Names), unknown_root()),
        ("many extensions", oversized_chain(pki, CertificateFilling::Extensions), unknown_root()),
        (
            "many alternative names",
            oversized_chain(pki, CertificateFilling::AlternativeNames),
            unknown_root(),
        ),
    ]
}

fn unknown_root() -> Option<UntrustedDocument> {
    Some(UntrustedDocument::UnknownRoot)
}

/// The element that a certificate repeats, because a careless reader might collect such elements in
/// a vector.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CertificateFilling {
    Names,
    Extensions,
    AlternativeNames,
}

/// Returns a document under an unknown root. It has the maximum number of certificates with the
/// maximum size. A careless reader allocates memory for them before it rejects the root.
fn oversized_chain(pki: &TestPki, filling: CertificateFilling) -> Vec<u8> {
    let keys: Vec<Key> = (0..6).map(|_| Key::generate().unwrap().0).collect();
    let certificate = |level: usize| {
        let usage = if level == 5 { KeyUsage::Documents } else { KeyUsage::Ca };
        let constraints = if level == 5 { Extension::not_ca() } else { Extension::ca(None) };
        let mut extensions = vec![constraints, Extension::key_usage(usage)];
        match filling {
            CertificateFilling::Names => {}
            CertificateFilling::Extensions => extensions.extend((0..70).map(tiny_extension)),
            CertificateFilling::AlternativeNames => extensions.push(alternative_names()),
        }
        let spec = CertificateSpec {
            issuer: name(level.saturating_sub(1), filling),
            subject: name(level, filling),
            not_before: NOW.minus_secs(1),
            not_after: NOW.plus_secs(1),
            extensions,
            overrides: Overrides::default(),
        };
        spec.issue(keys[level].public_key(), &keys[level.saturating_sub(1)]).unwrap()
    };
    let certificates: Vec<Vec<u8>> = (0..6).map(certificate).collect();
    let lengths: Vec<usize> = certificates.iter().map(Vec::len).collect();
    assert!(lengths.iter().all(|length| (900..=1024).contains(length)), "{lengths:?}");
    let cabundle: Vec<&[u8]> = certificates[..5].iter().map(Vec::as_slice).collect();
    let payload = pki.open_payload(&certificates[5], &cabundle);
    unsigned(&[&payload[..], &[BREAK]].concat())
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    let head = match content.len() {
        0..=0x7f => vec![tag, low],
        0x80..=0xff => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [&head, content].concat()
}

/// Encodes a Name. It has one part, or so many parts that a certificate can contain the Name twice.
fn name(level: usize, filling: CertificateFilling) -> Vec<u8> {
    let part =
        |value: &[u8]| tlv(0x31, &tlv(0x30, &[&tlv(6, &[0x2a])[..], &tlv(0x13, value)].concat()));
    let count = if filling == CertificateFilling::Names { 35 } else { 0 };
    let level = part(&[b'a' + u8::try_from(level).unwrap()]);
    tlv(0x30, &[level, part(&[]).repeat(count)].concat())
}

fn tiny_extension(number: u8) -> Extension {
    Extension { oid: vec![0x2a, number], critical: false, value: vec![] }
}

/// Encodes a subjectAltName (RFC 5280 section 4.2.1.6) of empty dNSNames.
fn alternative_names() -> Extension {
    let value = tlv(0x30, &[0x82, 0x00].repeat(300));
    Extension { oid: vec![0x55, 0x1d, 0x11], critical: false, value }
}
