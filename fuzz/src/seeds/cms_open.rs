//! Seeds of the target for envelopes: envelopes of the service, envelopes in other forms that KMS
//! has sent, and damaged envelopes.

use attestation::cms::seal;
use attestation::{DebugMode, UnverifiedDocument};
use simulator::{der, sign_payload};

use crate::fixture;
use crate::recipient_key::encryption;

use super::mutations;

/// Number of bytes before the RecipientInfos.
const OUTER: usize = 20;
/// Length of the header of the RecipientInfos, in bytes.
const SET_HEADER: usize = 4;
/// Total length of the header of EncryptedContentInfo, of the fields before the content, and of the
/// header of the content, in bytes.
const BEFORE_CONTENT: usize = 2 + 42 + 2;
/// Length of the end-of-contents markers, in bytes.
const ENDS: usize = 10;

pub(super) fn inputs() -> Vec<Vec<u8>> {
    let mut inputs: Vec<Vec<u8>> = [0, 15, 16, 32, 1024].map(sealed).into();
    let good = sealed(32);
    let length = usize::from(good[OUTER + 2]) << 8 | usize::from(good[OUTER + 3]);
    let (head, rest) = good.split_at(OUTER + SET_HEADER + length);
    let octets = &rest[BEFORE_CONTENT..rest.len() - ENDS];
    let (first, second) = octets[2..].split_at(16);
    let chunks = [der::tlv(4, first), der::tlv(4, second)].concat();
    for content in [
        der::tlv(0x80, &octets[2..]),
        der::tlv(0xa0, octets),
        der::tlv(0xa0, &chunks),
        [&[0xa0, 0x80], &chunks[..], &[0, 0]].concat(),
        [&[0xa0, 0x80], &chunks[..], &[4, 0, 4, 0, 0, 0]].concat(),
        der::tlv(0xa0, &[]),
        vec![],
    ] {
        let info = der::sequence(&[&rest[2..44], &content]);
        let enveloped = der::sequence(&[&head[OUTER - 3..], &info]);
        inputs.push(der::sequence(&[&head[2..13], &der::tlv(0xa0, &enveloped)]));
    }
    inputs.push([&good[..], &[0]].concat());
    inputs.push(mutations::replaced(
        &good,
        &fixture::recipient().subject_key_identifier(),
        &[0; 32],
    ));
    // id-sha1 replaces the first id-sha256. The replacement has the same length.
    inputs.push(mutations::replaced(
        &good,
        &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01],
        &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x04],
    ));
    inputs.extend(mutations::mutated(&good, 40));
    inputs
}

fn sealed(length: usize) -> Vec<u8> {
    let document = sign_payload(&fixture::valid_payloads()[0], fixture::leaf_key());
    let document = UnverifiedDocument::parse(document.expect("the provider signs"));
    let verified = document
        .expect("the document is valid")
        .verify_at_document_time(fixture::anchors(), DebugMode::Reject);
    let key =
        verified.expect("the document is valid").recipient_key().expect("the document is valid");
    seal(&key, &vec![0x63; length], encryption()).expect("the provider seals")
}
