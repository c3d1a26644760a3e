//! Seeds of the target for certificates: the rows C of the corpus of hostile input
//! (`tests/suite/tests/corpus`).

use simulator::der;

use crate::certificate::{SIGNED, to_be_signed};
use crate::fixture;

use super::mutations;

/// Bytes of a TBSCertificate and their replacements. The changed TBSCertificate is still
/// well-formed DER.
const CHANGES: [(&[u8], &[u8]); 11] = [
    (&[0xa0, 3, 2, 1, 2], &[0xa0, 3, 2, 1, 1]),
    (der::oid::ECDSA_WITH_SHA384, der::oid::ECDSA_WITH_SHA256),
    (&[0x2b, 0x81, 0x04, 0x00, 0x22], &[0x2b, 0x81, 0x04, 0x00, 0x23]),
    (der::oid::BASIC_CONSTRAINTS, &[0x55, 0x1d, 0x1e]),
    (der::oid::KEY_USAGE, &[0x55, 0x1d, 0x24]),
    (b"191028000000Z", b"291028000000Z"),
    (b"491028000000Z", b"201028000000Z"),
    (b"491028000000Z", b"490230000000Z"),
    (b"191028000000Z", b"1910280000+01"),
    (b"Simulated", b"simulated"),
    (&[0x03, 0x62, 0x00, 0x04], &[0x03, 0x62, 0x00, 0x02]),
];

pub(super) fn inputs() -> Vec<Vec<u8>> {
    let mut inputs = vec![vec![], vec![0], vec![SIGNED]];
    for (position, certificate) in (0..).zip(fixture::certificates()) {
        let in_place = |bytes: &[u8]| [&[position], bytes].concat();
        let signed = |bytes: &[u8]| [&[SIGNED | position], bytes].concat();
        inputs.push(in_place(certificate));
        inputs.push(in_place(&[certificate, &[0]].concat()));
        inputs.push(in_place(&with_twin(certificate)));
        inputs.push(in_place(&[certificate, &[0; 1024]].concat()));
        inputs.extend(fixture::certificates().map(in_place));
        inputs.extend(mutations::mutated(certificate, 8).iter().map(|bytes| in_place(bytes)));
        let to_be_signed = to_be_signed(certificate);
        inputs.push(signed(to_be_signed));
        for (from, to) in CHANGES {
            inputs.push(signed(&mutations::replaced(to_be_signed, from, to)));
        }
        inputs.extend(extensions(position, to_be_signed).iter().map(|bytes| signed(bytes)));
    }
    inputs.extend(anchors());
    inputs
}

/// Returns the certificate with the signature (r, n - s) instead of its equivalent (r, s).
fn with_twin(certificate: &[u8]) -> Vec<u8> {
    let head = to_be_signed(certificate);
    let algorithm = der::algorithm(der::oid::ECDSA_WITH_SHA384);
    // The signature is a BIT STRING that contains a SEQUENCE of two INTEGERs. Each length is one
    // byte.
    let signature = &certificate[4 + head.len() + algorithm.len() + 3..];
    let (r, s) = signature[2..].split_at(2 + usize::from(signature[3]));
    let twin = der::integer(&mutations::negated_s(&s[s.len().saturating_sub(48).max(2)..]));
    let signature = der::bit_string(0, &der::sequence(&[r, &twin]));
    der::sequence(&[head, &algorithm, &signature])
}

fn extensions(position: u8, to_be_signed: &[u8]) -> Vec<Vec<u8>> {
    if position == 4 {
        let (usage, other) = ([0x03, 0x02, 0x06, 0xc0], [0x03, 0x02, 0x02, 0x04]);
        return vec![mutations::replaced(to_be_signed, &usage, &other)];
    }
    let ca = [0x01, 0x01, 0xff, 0x04];
    let (usage, other): ([u8; 4], [u8; 4]) = match position {
        3 => ([0x03, 0x02, 0x02, 0x04], [0x03, 0x02, 0x07, 0x80]),
        _ => ([0x03, 0x02, 0x01, 0x86], [0x03, 0x02, 0x01, 0x82]),
    };
    let mut changed = vec![mutations::replaced(to_be_signed, &ca, &[0x01, 0x01, 0x00, 0x04])];
    changed.push(mutations::replaced(to_be_signed, &usage, &other));
    if (1..4).contains(&position) {
        let path_length = [0x02, 0x01, 3 - position];
        changed.push(mutations::replaced(to_be_signed, &path_length, &[0x02, 0x01, 0xff]));
        changed.push(mutations::replaced(to_be_signed, &path_length, &[0x02, 0x01, 0x7f]));
    }
    changed
}

fn anchors() -> Vec<Vec<u8>> {
    const ANCHOR: u8 = 5;
    let root = include_bytes!("../../fixtures/root.pem");
    let leaf = include_bytes!("../../fixtures/leaf.pem");
    let garbage = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    [&root[..], leaf, garbage, b"no PEM", &[&root[..], root].concat(), &root[..300]]
        .map(|pem| [&[ANCHOR], pem].concat())
        .into()
}
