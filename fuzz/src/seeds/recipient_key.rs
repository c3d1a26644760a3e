//! Seeds of the target for recipient keys: the rows D of the corpus of hostile input.

use simulator::der;

use super::mutations;

const F4: &[u8] = &[1, 0, 1];
const NULL: &[u8] = &[5, 0];
const PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];
const OAEP: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x07];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const DSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x01];

pub(super) fn inputs() -> Vec<Vec<u8>> {
    let good = crate::fixture::recipient().public_key_der().to_vec();
    let key = pkcs1(&modulus(2048), F4);
    let mut even = modulus(2048);
    even.push(0);
    even.remove(0);
    let mut inputs = vec![good.clone(), key.clone(), b"-----BEGIN PUBLIC KEY-----".to_vec()];
    for bits in [512, 1016, 1024, 2047, 2048, 2056, 3072, 4096, 8192, 16384] {
        inputs.push(spki(&pkcs1(&modulus(bits), F4)));
    }
    for exponent in [&[0][..], &[1], &[2], &[3], &[4], &[1, 0, 0], &[2, 0, 0, 0, 1], &[0xff; 256]] {
        inputs.push(spki(&pkcs1(&modulus(2048), exponent)));
    }
    inputs.push(spki(&pkcs1(&even, F4)));
    inputs.push(spki(&der::sequence(&[&der::tlv(2, &modulus(2048)), &der::integer(F4)])));
    inputs.push(spki(&der::sequence(&[
        &der::tlv(2, &[&[0, 0], &modulus(2048)[..]].concat()),
        &der::integer(F4),
    ])));
    inputs.push(spki(&[&key[..], &[0]].concat()));
    for (kind, parameters) in
        [(PSS, NULL), (OAEP, NULL), (ED25519, &[][..]), (DSA, &[]), (der::oid::RSA_ENCRYPTION, &[])]
    {
        inputs.push(spki_of(kind, parameters, 0, &key));
    }
    inputs.push(spki_of(der::oid::RSA_ENCRYPTION, &[5, 1, 0], 0, &key));
    inputs.push(spki_of(der::oid::RSA_ENCRYPTION, NULL, 1, &key));
    inputs.push(spki_of(
        der::oid::EC_PUBLIC_KEY,
        &der::object_identifier(der::oid::SECP384R1),
        0,
        &[4; 97],
    ));
    inputs.push([&good[..], &[0]].concat());
    inputs.push([&[0x30, 0x80], &good[4..], &[0, 0]].concat());
    inputs.push([&[0x30, 0x83, 0], &good[2..]].concat());
    inputs.extend(mutations::mutated(&good, 16));
    inputs
}

/// Returns an odd number of this many bits.
fn modulus(bits: usize) -> Vec<u8> {
    let mut number = vec![0xa5; bits.div_ceil(8)];
    number[0] = 1 << ((bits - 1) % 8);
    number
}

fn pkcs1(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    der::sequence(&[&der::integer(modulus), &der::integer(exponent)])
}

fn spki(key: &[u8]) -> Vec<u8> {
    spki_of(der::oid::RSA_ENCRYPTION, NULL, 0, key)
}

fn spki_of(kind: &[u8], parameters: &[u8], unused_bits: u8, key: &[u8]) -> Vec<u8> {
    let algorithm = der::sequence(&[&der::object_identifier(kind), parameters]);
    der::sequence(&[&algorithm, &der::bit_string(unused_bits, key)])
}
