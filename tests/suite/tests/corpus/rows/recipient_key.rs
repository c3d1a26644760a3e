//! Rows D: the recipient's key.

use attestation::RecipientKeyError::{self, Algorithm, EvenModulus, Exponent};
use attestation::RecipientKeyError::{ModulusSize, NotRsaPublicKey, NotSpki, Pem, Pkcs1};
use attestation::{MalformedDocument, check_spki};
use simulator::der::{self, oid};

use crate::harness::document_error::DocumentError;
use crate::harness::row::{Row, row};
use crate::harness::service::{RECIPIENTS, valid_document};

/// OBJECT IDENTIFIERs without tag and length.
const RSASSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];
const RSAES_OAEP: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x07];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const DSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x01];
const NULL: [u8; 2] = [5, 0];
/// The exponent 65537.
const F4: [u8; 3] = [1, 0, 1];

pub(crate) fn rows() -> Vec<Row> {
    [sizes(), exponents(), algorithms(), encodings()].into_iter().flatten().collect()
}

/// Signs a valid document with this key.
fn with_key(key: &[u8]) -> Vec<u8> {
    let mut forgery = valid_document();
    forgery.document.public_key = Some(key.to_vec());
    forgery.sign().unwrap()
}

/// Returns an odd number of exactly `bits` bits as big-endian bytes.
fn modulus(bits: usize) -> Vec<u8> {
    let mut number = vec![0xa5; bits.div_ceil(8)];
    number[0] = 1 << ((bits - 1) % 8);
    number
}

/// Encodes a DER INTEGER with these content bytes, even if they are not valid.
fn raw_integer(content: &[u8]) -> Vec<u8> {
    der::tlv(2, content)
}

fn rsa_public_key(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    der::sequence(&[&der::integer(modulus), &der::integer(exponent)])
}

/// Encodes a SubjectPublicKeyInfo.
fn spki(algorithm: &[u8], parameters: &[u8], key: &[u8]) -> Vec<u8> {
    let algorithm = der::sequence(&[&der::object_identifier(algorithm), parameters]);
    der::sequence(&[&algorithm, &der::bit_string(0, key)])
}

fn rsa_spki(key: &[u8]) -> Vec<u8> {
    spki(oid::RSA_ENCRYPTION, &NULL, key)
}

fn rsa(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    rsa_spki(&rsa_public_key(modulus, exponent))
}

fn rejects_key(row: Row, case: &str, key: &[u8], expected: RecipientKeyError) -> Row {
    row.rejects(case, with_key(key), expected)
}

/// Returns the error of `check_spki` for a key of `BITS` bits.
fn check_key_of_bits<const BITS: usize>() -> Option<DocumentError> {
    check_spki(&rsa(&modulus(BITS), &F4)).err().map(DocumentError::from)
}

/// Returns the rows D01 to D06.
fn sizes() -> Vec<Row> {
    let of_bits = |row: Row, bits: usize| {
        let key = rsa(&modulus(bits), &F4);
        rejects_key(row, &bits.to_string(), &key, ModulusSize { bits })
    };
    let too_long = |bits: usize| {
        let key = rsa(&modulus(bits), &F4);
        let (field, length) = ("public_key", key.len());
        let expected = MalformedDocument::FieldLength { field, length, min: 1, max: 1024 };
        (with_key(&key), expected)
    };
    let padded = rsa_spki(&der::sequence(&[
        &raw_integer(&[&[0, 0], &modulus(2048)[..]].concat()),
        &der::integer(&F4),
    ]));
    let valid = RECIPIENTS.iter().zip(["2048", "3072", "4096"]);
    let d04 = valid.fold(row("D04", "2048, 3072, 4096 bits: accepted"), |row, (key, case)| {
        row.accepts(case, with_key(key.public_key_der()))
    });
    let (d05, no_field) = too_long(8192);
    let (d06, no_field_either) = too_long(16_384);
    vec![
        of_bits(of_bits(row("D01", "512, 1016 bits"), 512), 1016),
        of_bits(row("D02", "1024 bits"), 1024),
        rejects_key(
            of_bits(row("D03", "2047 bits, leading zero"), 2047),
            "0",
            &padded,
            NotRsaPublicKey,
        ),
        of_bits(of_bits(d04, 2056), 4088),
        row("D05", "8192 bits").rejects("", d05, no_field).function_rejects(
            "inner",
            ModulusSize { bits: 8192 },
            check_key_of_bits::<8192>,
        ),
        row("D06", "16384 bits").rejects("", d06, no_field_either).function_rejects(
            "inner",
            ModulusSize { bits: 16_384 },
            check_key_of_bits::<16_384>,
        ),
    ]
}

/// Returns the rows D07 to D10.
fn exponents() -> Vec<Row> {
    let with_exponent = |row: Row, exponent: &[u8]| {
        let key = rsa(&modulus(2048), exponent);
        rejects_key(row, &format!("{exponent:?}"), &key, Exponent)
    };
    let small: [&[u8]; 5] = [&[0], &[1], &[2], &[4], &[1, 0, 0]];
    let near: [&[u8]; 3] = [&[5], &[1, 0, 2], &[1, 0, 3]];
    let large: [&[u8]; 2] = [&[2, 0, 0, 0, 1], &[1, 0, 0, 0, 0, 0, 0, 0, 1]];
    let mut even = modulus(2048);
    *even.last_mut().unwrap() &= 0xfe;
    vec![
        small.into_iter().fold(row("D07", "e = 0, 1, 2, 4, 65536"), with_exponent),
        near.into_iter().fold(with_exponent(row("D08", "e = 3"), &[3]), with_exponent),
        with_exponent(
            large.into_iter().fold(row("D09", "e >= 2^33"), with_exponent),
            &modulus(2048),
        ),
        rejects_key(row("D10", "even modulus"), "", &rsa(&even, &F4), EvenModulus),
    ]
}

/// Returns the rows D11 to D13.
fn algorithms() -> Vec<Row> {
    let point = [&[4][..], &[7; 96]].concat();
    let curve = der::object_identifier(oid::SECP384R1);
    let ec = spki(oid::EC_PUBLIC_KEY, &curve, &point);
    let number = |length: usize| der::integer(&[&[0x80], &vec![1; length - 1][..]].concat());
    let parameters = der::sequence(&[&number(128), &number(20), &number(128)]);
    let dsa = spki(DSA, &parameters, &number(128));
    let key = rsa_public_key(&modulus(2048), &F4);
    let named = |algorithm: &[u8], parameters: &[u8]| spki(algorithm, parameters, &key);
    let d11 = rejects_key(row("D11", "EC, Ed25519, DSA"), "EC", &ec, Algorithm);
    let d11 = rejects_key(d11, "Ed25519", &spki(ED25519, &[], &[7; 32]), Algorithm);
    let d12 = row("D12", "RSASSA-PSS, RSAES-OAEP as key algorithm");
    let d12 = rejects_key(d12, "PSS, without parameters", &named(RSASSA_PSS, &[]), Algorithm);
    let d12 = rejects_key(d12, "PSS, NULL", &named(RSASSA_PSS, &NULL), Algorithm);
    let d12 = rejects_key(d12, "PSS, empty", &named(RSASSA_PSS, &[0x30, 0]), Algorithm);
    vec![
        rejects_key(d11, "DSA", &dsa, Algorithm),
        rejects_key(d12, "OAEP", &named(RSAES_OAEP, &[0x30, 0]), Algorithm),
        rejects_key(row("D13", "PKCS#1"), "", &key, Pkcs1),
    ]
}

/// Returns the rows D14 to D16.
fn encodings() -> Vec<Row> {
    let key = rsa_public_key(&modulus(2048), &F4);
    let valid = rsa_spki(&key);
    let trailing = |bytes: &[u8]| [bytes, &[0]].concat();
    let indefinite = [&[0x30, 0x80], &valid[4..], &[0, 0]].concat();
    let long_length = [&[0x30, 0x83, 0], &valid[2..]].concat();
    let unused_bits = {
        let kind = der::sequence(&[&der::object_identifier(oid::RSA_ENCRYPTION), &NULL]);
        der::sequence(&[&kind, &der::bit_string(1, &[&key[..], &[0]].concat())])
    };
    let without_null = spki(oid::RSA_ENCRYPTION, &[], &key);
    let three =
        der::sequence(&[&der::integer(&modulus(2048)), &der::integer(&F4), &der::integer(&F4)]);
    let negative = der::sequence(&[&raw_integer(&modulus(2048)), &der::integer(&F4)]);
    let d14 = row("D14", "trailing DER, BER lengths, NULL parameters missing");
    let d14 = rejects_key(d14, "a byte after the key", &trailing(&valid), NotSpki);
    let d14 =
        rejects_key(d14, "a byte after the inner key", &rsa_spki(&trailing(&key)), NotRsaPublicKey);
    let d14 = rejects_key(d14, "a third number", &rsa_spki(&three), NotRsaPublicKey);
    let d14 = rejects_key(d14, "indefinite", &indefinite, NotSpki);
    let d14 = rejects_key(d14, "a length in three bytes", &long_length, NotSpki);
    let d14 = rejects_key(d14, "unused bits", &unused_bits, NotSpki);
    let d14 = rejects_key(
        d14,
        "OCTET STRING for NULL",
        &spki(oid::RSA_ENCRYPTION, &[4, 0], &key),
        Algorithm,
    );
    let d16 = row("D16", "negative modulus");
    let pem = include_str!("../../../keys/rsa-2048.pem").replace("PRIVATE", "PUBLIC");
    vec![
        rejects_key(d14, "NULL missing", &without_null, Algorithm),
        rejects_key(row("D15", "PEM"), "", &pem.as_bytes()[..1024], Pem),
        rejects_key(d16, "", &rsa_spki(&negative), NotRsaPublicKey),
    ]
}
