//! Seeds of the target for attestation documents: the rows A of the corpus of hostile input.

use simulator::sign_payload;

use crate::fixture;

use super::mutations;

pub(super) fn inputs() -> Vec<Vec<u8>> {
    let signed: Vec<Vec<u8>> = fixture::valid_payloads()
        .iter()
        .map(|payload| sign_payload(payload, fixture::leaf_key()).expect("the provider signs"))
        .collect();
    let good = &signed[0];
    let mut inputs = signed.clone();
    for tag in [&[0xd2][..], &[0xd2, 0xd2], &[0xd1], &[0xd8, 0x3d], &[0xd9, 0xd9, 0xf7]] {
        inputs.push([tag, good].concat());
    }
    let headers: [&[u8]; 9] = [
        b"\x84\x40\xa1\x01\x38\x22",
        b"\x84\x43\xa1\x01\x26\xa0",
        b"\x84\x44\xa1\x01\x38\x23\xa0",
        b"\x84\x5f\x44\xa1\x01\x38\x22\xff\xa0",
        b"\x84\x47\xa2\x01\x38\x22\x01\x38\x22\xa0",
        b"\x84\x48\xa2\x01\x38\x22\x02\x81\x01\x18\xa0",
        b"\x84\x44\xa1\x01\x38\x22\xa1\x04\x40",
        b"\x83\x44\xa1\x01\x38\x22\xa0",
        b"\x9f\x44\xa1\x01\x38\x22\xa0",
    ];
    inputs.extend(headers.map(|header| [header, &good[7..]].concat()));
    inputs.extend(payloads_and_signatures(good));
    inputs.extend(mutations::mutated(good, 24));
    inputs.extend(
        [&b"fileb://document.bin"[..], b"hEShATgi", b"8444a10138", b""].map(<[u8]>::to_vec),
    );
    inputs
}

fn payloads_and_signatures(good: &[u8]) -> Vec<Vec<u8>> {
    let envelope = &good[..7];
    let (rest, signature) = good.split_at(good.len() - 96);
    let (r, s) = signature.split_at(48);
    let cut = &rest[..rest.len() - 2];
    let (zero, ones) = ([0; 48], [0xff; 48]);
    vec![
        [good, &[0]].concat(),
        [rest, r, &mutations::negated_s(s)].concat(),
        [rest, r, &mutations::ORDER].concat(),
        [rest, &zero, s].concat(),
        [rest, r, &zero].concat(),
        [rest, &ones, &ones].concat(),
        [cut, &[0x58, 95], &signature[1..]].concat(),
        [cut, &[0x58, 97, 0], signature].concat(),
        [cut, &[0x5f, 0x58, 96], signature, &[0xff]].concat(),
        [envelope, &[0xf6], &[0x58, 96], signature].concat(),
        [envelope, &[0x5a, 0xff, 0xff, 0xff, 0xff]].concat(),
        [envelope, &[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]].concat(),
        [&good[..7], &[0x5a, 0, 0], &good[8..]].concat(),
        [good, &[0; 16 * 1024][..]].concat(),
    ]
}
