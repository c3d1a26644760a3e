use super::*;

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let [.., high, low] = length.to_be_bytes();
    let mut out = vec![tag];
    match length {
        0..=0x7f => out.push(low),
        0x80..=0xff => out.extend([0x81, low]),
        _ => out.extend([0x82, high, low]),
    }
    out.extend(content);
    out
}

/// Returns an odd number of `bits` bits as the content of an INTEGER.
fn modulus(bits: usize) -> Vec<u8> {
    let mut number = vec![0xa5; bits.div_ceil(8)];
    number[0] = 1 << ((bits - 1) % 8);
    if number[0] & 0x80 != 0 {
        number.insert(0, 0);
    }
    number
}

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

fn pkcs1(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    tlv(0x30, &[tlv(2, modulus), tlv(2, exponent)].concat())
}

fn spki_of(oid: &[u8], parameters: &[u8], key: &[u8]) -> Vec<u8> {
    let algorithm = tlv(0x30, &[&tlv(6, oid), parameters].concat());
    tlv(0x30, &[algorithm, tlv(3, &[&[0], key].concat())].concat())
}

fn spki(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    spki_of(RSA, &[5, 0], &pkcs1(modulus, exponent))
}

const F4: &[u8] = &[1, 0, 1];

#[test]
fn debug_shows_only_the_key_size() {
    let pem = include_str!("../../../tests/suite/keys/rsa-3072.pem");
    let private = crate::cms::RecipientPrivateKey::from_pem(pem).unwrap();
    let key = RecipientKey::parse(private.public_key_der()).unwrap();
    assert_eq!(format!("{key:?}"), "RecipientKey(RSA-3072)");
}

#[test]
fn accepts_2048_3072_and_4096_bits() {
    for (bits, length, encoded) in [(2048, 256, 294), (3072, 384, 422), (4096, 512, 550)] {
        let key = spki(&modulus(bits), F4);
        assert_eq!(key.len(), encoded);
        assert_eq!(check_spki(&key), Ok(length));
    }
}

#[test]
fn rejects_other_sizes_and_exponents() {
    use RecipientKeyError::{Exponent, ModulusSize};
    for bits in [512, 1016, 1024, 2047, 2056, 8192, 16384] {
        assert_eq!(check_spki(&spki(&modulus(bits), F4)), Err(ModulusSize { bits }));
    }
    for exponent in [&[0][..], &[1], &[2], &[3], &[4], &[1, 0, 0], &[2, 0, 0, 0, 1]] {
        assert_eq!(check_spki(&spki(&modulus(2048), exponent)), Err(Exponent));
    }
}

#[test]
fn rejects_other_encodings_and_algorithms() {
    use RecipientKeyError::*;
    let good = spki(&modulus(2048), F4);
    let mut even = modulus(2048);
    *even.last_mut().unwrap() &= 0xfe;
    let mut negative = modulus(2048);
    negative.remove(0);
    let pkcs1_key = pkcs1(&modulus(2048), F4);
    let pss = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];
    let indefinite = [&[0x30, 0x80], &good[4..], &[0, 0]].concat();
    let trailing_inside = spki_of(RSA, &[5, 0], &[&pkcs1_key[..], &[0]].concat());
    let padded = [&[0, 0], &modulus(2048)[..]].concat();
    let cases: [(Vec<u8>, RecipientKeyError); 12] = [
        (vec![], NotSpki),
        (b"-----BEGIN PUBLIC KEY-----".to_vec(), Pem),
        (pkcs1_key.clone(), Pkcs1),
        ([&good[..], &[0]].concat(), NotSpki),
        (indefinite, NotSpki),
        (trailing_inside, NotRsaPublicKey),
        (spki(&even, F4), EvenModulus),
        (spki(&negative, F4), NotRsaPublicKey),
        (spki(&padded, F4), NotRsaPublicKey),
        (spki_of(&pss, &[5, 0], &pkcs1_key), Algorithm),
        (spki_of(RSA, &[], &pkcs1_key), Algorithm),
        (spki_of(&[0x2b, 0x65, 0x70], &[], &[7; 32]), Algorithm),
    ];
    for (key, expected) in cases {
        assert_eq!(check_spki(&key), Err(expected), "{:x?}", key.get(..16));
    }
}
