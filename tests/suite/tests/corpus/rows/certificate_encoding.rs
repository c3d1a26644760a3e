//! Rows C: certificates with valid signatures that break one rule of X.509 v3 or DER. General
//! parsers accept many of these certificates.

use attestation::UntrustedDocument as U;
use simulator::der::{self, oid};
use simulator::{Extension, Overrides};

use crate::harness::row::Row;
use crate::harness::service::{LEAF, valid_document};
use crate::rows::certificate_chain::{changed, position};

/// Adds cases to the row C25.
pub(crate) fn malformed(mut row: Row) -> Row {
    let parts = [versions(), serial_numbers(), keys(), extension_lists()].concat();
    for level in [2, LEAF] {
        let certificate = position(level);
        let expected = || U::CertificateEncoding { certificate };
        for (case, overrides) in &parts {
            let document = changed(|specs| specs[level].overrides = overrides.clone());
            row = row.rejects(format!("{case}, {certificate}"), document, expected());
        }
        for (case, index, value) in extension_values() {
            let document = changed(|specs| specs[level].extensions[index].value = value);
            row = row.rejects(format!("{case}, {certificate}"), document, expected());
        }
        for (index, extension) in ["basicConstraints", "keyUsage"].into_iter().enumerate() {
            let twice = changed(|specs| {
                let again = specs[level].extensions[index].clone();
                specs[level].extensions.push(again);
            });
            let longer = changed(|specs| specs[level].extensions[index].value.extend([5, 0]));
            row = row
                .rejects(format!("{extension} twice, {certificate}"), twice, expected())
                .rejects(format!("NULL after {extension}, {certificate}"), longer, expected());
        }
        for (case, name) in names() {
            let document = changed(|specs| {
                specs[level].subject = name.clone();
                if let Some(below) = specs.get_mut(level + 1) {
                    below.issuer = name;
                }
            });
            row = row.rejects(format!("{case}, {certificate}"), document, expected());
        }
    }
    row
}

fn versions() -> Vec<(&'static str, Overrides)> {
    let version =
        |version: &[u8]| Overrides { version: Some(version.to_vec()), ..Overrides::default() };
    vec![
        ("version 1", version(&[])),
        ("version 1, encoded explicitly", version(&[0xa0, 3, 2, 1, 0])),
        ("version 2", version(&[0xa0, 3, 2, 1, 1])),
        ("version 4", version(&[0xa0, 3, 2, 1, 3])),
        ("version in two bytes", version(&[0xa0, 4, 2, 2, 0, 2])),
        ("version and NULL", version(&[0xa0, 5, 2, 1, 2, 5, 0])),
    ]
}

fn serial_numbers() -> Vec<(&'static str, Overrides)> {
    let serial =
        |serial: &[u8]| Overrides { serial: Some(serial.to_vec()), ..Overrides::default() };
    vec![
        ("serial number without a byte", serial(&[2, 0])),
        ("serial number 0", serial(&[2, 1, 0])),
        ("negative serial number", serial(&[2, 1, 0x80])),
        ("serial number with leading zeros", serial(&[2, 3, 0, 0, 1])),
        ("serial number of 21 bytes", serial(&der::integer(&[1; 21]))),
    ]
}

/// Returns wrong encodings of the leaf's public key.
fn keys() -> Vec<(&'static str, Overrides)> {
    let point = valid_document().key(LEAF).unwrap().public_key().to_vec();
    let bits = der::bit_string(0, &point);
    let kind = [der::object_identifier(oid::EC_PUBLIC_KEY), der::object_identifier(oid::SECP384R1)];
    let algorithm = der::sequence(&[&kind[0], &kind[1]]);
    let key = |key: Vec<u8>| Overrides { public_key: Some(key), ..Overrides::default() };
    // The outer tag stays SEQUENCE, because otherwise the encoding would not be parsed as a key.
    vec![(
        "a key of indefinite length",
        key([&[0x30, 0x80], &algorithm[..], &bits, &[0, 0]].concat()),
    )]
}

fn extension_lists() -> Vec<(&'static str, Overrides)> {
    let list = |extensions: &[Vec<u8>]| {
        let extensions = der::tlv(0xa3, &der::tlv(0x30, &extensions.concat()));
        Overrides { extensions: Some(extensions), ..Overrides::default() }
    };
    let after = |bytes: &[u8]| {
        let extensions = der::tlv(0xa3, &der::tlv(0x30, &Extension::not_ca().to_der()));
        let extensions = [bytes, &extensions].concat();
        Overrides { extensions: Some(extensions), ..Overrides::default() }
    };
    let extension = |parts: &[&[u8]]| der::sequence(parts);
    let identifier = der::object_identifier(&[0x2a, 3]);
    let value = der::tlv(4, &[5, 0]);
    let unknown = extension(&[&identifier, &value]);
    vec![
        ("issuerUniqueID", after(&[0x81, 2, 0, 1])),
        ("subjectUniqueID", after(&[0x82, 2, 0, 1])),
        ("an unknown field", after(&[0x85, 2, 0, 1])),
        ("no extensions", Overrides { extensions: Some(Vec::new()), ..Overrides::default() }),
        ("an empty list of extensions", list(&[])),
        (
            "an identifier with a leading zero",
            list(&[extension(&[&der::object_identifier(&[0x2a, 0x80, 3]), &value])]),
        ),
        ("an extension twice", list(&[unknown.clone(), unknown.clone()])),
        (
            "critical FALSE, encoded explicitly",
            list(&[extension(&[&identifier, &[1, 1, 0], &value])]),
        ),
        ("critical TRUE as 1", list(&[extension(&[&identifier, &[1, 1, 1], &value])])),
        ("an extension of four fields", list(&[extension(&[&identifier, &value, &value])])),
        ("a field after the extensions", {
            let extensions = [der::tlv(0xa3, &der::tlv(0x30, &unknown)), vec![5, 0]].concat();
            Overrides { extensions: Some(extensions), ..Overrides::default() }
        }),
    ]
}

/// Returns the name of each case, the index of the changed extension (0 is basicConstraints, 1 is
/// keyUsage) and the new value.
fn extension_values() -> Vec<(&'static str, usize, Vec<u8>)> {
    vec![
        ("basicConstraints: no byte", 0, Vec::new()),
        ("basicConstraints: CA FALSE, encoded explicitly", 0, vec![0x30, 3, 1, 1, 0]),
        ("basicConstraints: CA TRUE as 1", 0, vec![0x30, 3, 1, 1, 1]),
        ("basicConstraints: path length without CA", 0, vec![0x30, 3, 2, 1, 5]),
        ("basicConstraints: negative path length", 0, vec![0x30, 6, 1, 1, 0xff, 2, 1, 0xff]),
        ("basicConstraints: long path length", 0, vec![0x30, 7, 1, 1, 0xff, 2, 2, 0, 5]),
        ("basicConstraints: path length 256", 0, vec![0x30, 7, 1, 1, 0xff, 2, 2, 1, 0]),
        ("basicConstraints: path length 2^32", 0, vec![0x30, 10, 1, 1, 0xff, 2, 5, 1, 0, 0, 0, 0]),
        ("basicConstraints: a third field", 0, vec![0x30, 8, 1, 1, 0xff, 2, 1, 5, 5, 0]),
        ("basicConstraints: a long length", 0, vec![0x30, 0x81, 3, 1, 1, 0xff]),
        ("basicConstraints: a SET", 0, vec![0x31, 3, 1, 1, 0xff]),
        ("keyUsage: no byte", 1, Vec::new()),
        ("keyUsage: no bit", 1, vec![3, 1, 0]),
        ("keyUsage: a last bit not set", 1, vec![3, 2, 0, 0x84]),
        ("keyUsage: a last byte not set", 1, vec![3, 3, 0, 0x84, 0]),
        ("keyUsage: an unused bit set", 1, vec![3, 2, 2, 0x86]),
        ("keyUsage: eight unused bits", 1, vec![3, 2, 8, 0x80]),
        ("keyUsage: a long length", 1, vec![3, 0x81, 2, 1, 0x86]),
        ("keyUsage: an OCTET STRING", 1, vec![4, 2, 1, 0x86]),
    ]
}

fn names() -> Vec<(&'static str, Vec<u8>)> {
    let attribute = [&[6, 3, 0x55, 4, 3][..], &[0x13, 1, b'x']].concat();
    let long_length = [&[0x30, 0x81, 8][..], &attribute].concat();
    vec![
        ("an empty Name", vec![0x30, 0]),
        ("a Name of NULL", vec![0x30, 2, 5, 0]),
        ("a Name with an empty part", vec![0x30, 2, 0x31, 0]),
        ("a Name that is a SET", der::tlv(0x31, &der::sequence(&[&attribute]))),
        (
            "a Name without a value",
            der::tlv(0x30, &der::tlv(0x31, &der::tlv(0x30, &attribute[..5]))),
        ),
        ("a Name with a long length", der::tlv(0x30, &der::tlv(0x31, &long_length))),
    ]
}
