//! Tests of the ciphertext's layout, and of the forms that are opened or rejected.

use std::convert::Infallible;

use super::*;
use crate::RecipientKey;

const KEYS: [(&str, usize); 3] = [
    (include_str!("../../../../tests/suite/keys/rsa-2048.pem"), 256),
    (include_str!("../../../../tests/suite/keys/rsa-3072.pem"), 384),
    (include_str!("../../../../tests/suite/keys/rsa-4096.pem"), 512),
];

fn encryption() -> ContentEncryption {
    let fill = |part: &mut [u8]| {
        part.fill(0x5a);
        Ok::<_, Infallible>(())
    };
    ContentEncryption::draw(fill).unwrap()
}

fn pair(index: usize) -> (RecipientPrivateKey, RecipientKey) {
    let private = RecipientPrivateKey::from_pem(KEYS[index].0).unwrap();
    let public = RecipientKey::parse(private.public_key_der()).unwrap();
    (private, public)
}

fn sealed(recipient: &RecipientKey, content: &[u8]) -> Vec<u8> {
    seal(recipient, content, encryption()).unwrap()
}

#[test]
fn opens_sealed_content_for_each_key_size() {
    for (index, (_, modulus_length)) in KEYS.into_iter().enumerate() {
        let (private, public) = pair(index);
        for length in [0, 1, 15, 16, 17, 32, 111, 112, 200, 239, 240, 1023, 1024] {
            let content: Vec<u8> = (0..length).map(|n| u8::try_from(n % 251).unwrap()).collect();
            let envelope = sealed(&public, &content);
            assert_eq!(*open(&envelope, &private).unwrap(), content);
            let padded = (length / 16 + 1) * 16;
            let header = match padded {
                0..128 => 2,
                128..256 => 3,
                _ => 4,
            };
            assert_eq!(envelope.len(), 187 + modulus_length + header + padded, "{length}");
        }
    }
}

#[test]
fn sealed_lengths_equal_those_of_kms() {
    for (key, length, expected) in
        [(0, 1, 461), (0, 16, 477), (0, 32, 493), (0, 1024, 1487), (1, 1024, 1615), (2, 1024, 1743)]
    {
        assert_eq!(sealed(&pair(key).1, &vec![0; length]).len(), expected);
    }
}

/// Checks all bytes except the encrypted ones against the layout of real KMS responses.
#[test]
#[rustfmt::skip]
fn sealed_bytes_have_the_layout_of_kms() {
    let (_, public) = pair(0);
    let envelope = sealed(&public, &[0; 32]);
    let head = [
        &[0x30, 0x80,
            0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x03,
            0xa0, 0x80,
              0x30, 0x80,
                0x02, 0x01, 0x02,
                0x31, 0x82, 0x01, 0x6b,
                  0x30, 0x82, 0x01, 0x67,
                    0x02, 0x01, 0x02,
                    0x80, 0x20][..], public.subject_key_identifier(), &[
                    0x30, 0x3c, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x07,
                      0x30, 0x2f, 0xa0, 0x0f, 0x30, 0x0d,
                        0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
                        0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08,
                          0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
                    0x04, 0x82, 0x01, 0x00],
    ].concat();
    assert_eq!(envelope[..head.len()], head);
    let middle = [
        &[0x30, 0x80,
            0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01,
            0x30, 0x1d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a,
              0x04, 0x10][..], &[0x5a; 16], &[
            0xa0, 0x80, 0x04, 0x30],
    ].concat();
    let after_key = head.len() + 256;
    assert_eq!(envelope[after_key..after_key + middle.len()], middle);
    let after_content = after_key + middle.len() + 48;
    assert_eq!(envelope[after_content..], [0; 10]);
}

#[test]
fn rejects_content_longer_than_the_api_allows() {
    let recipient = pair(0).1;
    // The modulus, and 256 bytes for the other parts.
    let most = MAX_CIPHERTEXT_LENGTH - 256 - 256;
    assert!(sealed(&recipient, &vec![0; most]).len() <= MAX_CIPHERTEXT_LENGTH);
    let rejected = seal(&recipient, &vec![0; most + 1], encryption()).unwrap_err();
    assert_eq!(rejected, SealError::TooLong);
}

/// Returns one element in DER.
fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let [.., high, low] = content.len().to_be_bytes();
    [&[tag, 0x82, high, low], content].concat()
}

/// Returns encryptedKey and the encrypted content of a ciphertext for RSA-2048 with less than 128 bytes of
/// content.
fn parts(envelope: &[u8]) -> (&[u8], &[u8]) {
    const KEY_AT: usize = 131;
    const CIPHERTEXT_AT: usize = KEY_AT + 256 + 48;
    (&envelope[KEY_AT..KEY_AT + 256], &envelope[CIPHERTEXT_AT..envelope.len() - 10])
}

fn der_envelope(public: &RecipientKey, algorithm: &[u8], key: &[u8], content: &[u8]) -> Vec<u8> {
    let version = [2, 1, 2];
    let identifier = [&[0x80, 0x20], &public.subject_key_identifier()[..]].concat();
    let info = tlv(0x30, &[&version, &identifier[..], algorithm, &tlv(4, key)].concat());
    let aes = [&tlv(6, oid::AES_256_CBC)[..], &tlv(4, &[0x5a; 16])].concat();
    let encrypted = [&tlv(6, oid::DATA)[..], &tlv(0x30, &aes), content].concat();
    let data = [&version, &tlv(0x31, &info)[..], &tlv(0x30, &encrypted)].concat();
    let content = tlv(0xa0, &tlv(0x30, &data));
    tlv(0x30, &[&tlv(6, oid::ENVELOPED_DATA)[..], &content].concat())
}

#[test]
fn opens_der_chunked_and_primitive_content() {
    let (private, public) = pair(0);
    let envelope = sealed(&public, &[7; 40]);
    let (key, ciphertext) = parts(&envelope);
    let chunks = [tlv(4, &ciphertext[..5]), tlv(4, &[]), tlv(4, &ciphertext[5..])].concat();
    for content in [
        tlv(0x80, ciphertext),
        tlv(0xa0, &tlv(4, ciphertext)),
        tlv(0xa0, &chunks),
        [&[0xa0, 0x80], &chunks[..], &[0, 0]].concat(),
    ] {
        let envelope = der_envelope(&public, &RSAES_OAEP_SHA_256, key, &content);
        assert_eq!(*open(&envelope, &private).unwrap(), [7; 40]);
    }
}

#[test]
fn rejects_other_algorithm_recipient_or_trailing_bytes() {
    let (private, public) = pair(0);
    let envelope = sealed(&public, &[7; 40]);
    let (key, ciphertext) = parts(&envelope);
    let content = tlv(0x80, ciphertext);
    let sha_1 = [&[0x30, 0x0d, 0x06, 0x09], &RSAES_OAEP_SHA_256[4..13], &[0x30, 0]].concat();
    let with_sha_1 = der_envelope(&public, &sha_1, key, &content);
    assert_eq!(open(&with_sha_1, &private).unwrap_err(), OpenError::KeyEncryption);
    let other = pair(1).0;
    assert_eq!(open(&envelope, &other).unwrap_err(), OpenError::OtherRecipient);
    let trailing = [&envelope[..], &[0]].concat();
    let trailing_bytes = OpenError::TrailingBytes { element: "ContentInfo" };
    assert_eq!(open(&trailing, &private).unwrap_err(), trailing_bytes);
    assert_eq!(open(&[], &private).unwrap_err(), OpenError::Truncated);
}

#[test]
fn rejects_end_of_contents_in_definite_length() {
    let (private, public) = pair(0);
    let envelope = sealed(&public, &[7; 40]);
    let (key, ciphertext) = parts(&envelope);
    for end in [&[0, 0][..], &[0]] {
        let content = tlv(0xa0, &[&tlv(4, ciphertext), end].concat());
        let envelope = der_envelope(&public, &RSAES_OAEP_SHA_256, key, &content);
        let expected = OpenError::Unexpected { element: "OCTET STRING" };
        assert_eq!(open(&envelope, &private).unwrap_err(), expected);
    }
}

/// Replaces the only occurrence of `from`.
fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let places: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(from)).collect();
    let [at] = places[..] else { panic!("{from:x?} occurs at {places:?}") };
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

#[test]
fn rejects_other_versions_and_identifiers() {
    let (private, public) = pair(0);
    let envelope = sealed(&public, &[7; 40]);
    let other = |identifier: &[u8]| {
        let mut identifier = identifier.to_vec();
        *identifier.last_mut().unwrap() ^= 1;
        identifier
    };
    let info_version = [&[0x67, 2, 1, 2, 0x80, 0x20][..]].concat();
    for (from, to, element) in [
        (&[0x30, 0x80, 2, 1, 2][..], vec![0x30, 0x80, 2, 1, 0], "version 2"),
        (&info_version, vec![0x67, 2, 1, 0, 0x80, 0x20], "KeyTransRecipientInfo version 2"),
        (oid::ENVELOPED_DATA, other(oid::ENVELOPED_DATA), "id-envelopedData"),
        (oid::DATA, other(oid::DATA), "id-data"),
        (oid::AES_256_CBC, other(oid::AES_256_CBC), "id-aes256-CBC"),
        (&[0x80, 0x20], vec![0x81, 0x20], "subjectKeyIdentifier"),
    ] {
        let changed = replaced(&envelope, from, &to);
        assert_eq!(open(&changed, &private).unwrap_err(), OpenError::Unexpected { element });
    }
    let long_iv = replaced(&envelope, &[0x1d, 0x06, 0x09], &[0x1e, 0x06, 0x09]);
    let long_iv = replaced(&long_iv, &[0x2a, 0x04, 0x10], &[0x2a, 0x04, 0x11, 0]);
    assert_eq!(open(&long_iv, &private).unwrap_err(), OpenError::Length { element: "IV" });
}

#[test]
fn rejects_truncated_ciphertext_at_any_length() {
    let (private, public) = pair(0);
    let envelope = sealed(&public, &[7; 40]);
    for length in 0..envelope.len() {
        assert!(open(&envelope[..length], &private).is_err(), "{length}");
    }
}

#[test]
fn returns_one_error_for_any_changed_content() {
    let (private, public) = pair(0);
    let envelope = sealed(&public, &[7; 16]);
    let (key, ciphertext) = parts(&envelope);
    let mut changed_key = key.to_vec();
    changed_key[255] ^= 1;
    let mut cut = ciphertext.to_vec();
    cut.pop();
    for (key, ciphertext) in
        [(&changed_key[..], ciphertext), (&key[1..], ciphertext), (key, &cut), (key, &[])]
    {
        let content = tlv(0x80, ciphertext);
        let envelope = der_envelope(&public, &RSAES_OAEP_SHA_256, key, &content);
        assert_eq!(open(&envelope, &private).unwrap_err(), OpenError::Decryption);
    }
}

#[test]
fn rejects_unsuitable_private_keys() {
    let key = RecipientPrivateKey::from_pem(KEYS[0].0).unwrap();
    assert_eq!(format!("{key:?}"), "RecipientPrivateKey(..)");
    let rejected = |pem: &str| RecipientPrivateKey::from_pem(pem).unwrap_err();
    assert_eq!(rejected("no PEM"), PrivateKeyError::NotRsaPem);
    let size = RecipientPrivateKey::generate(1024).unwrap_err();
    let bits = crate::RecipientKeyError::ModulusSize { bits: 1024 };
    assert_eq!(size, PrivateKeyError::UnsuitableKey(bits));
}

#[test]
fn generated_key_opens_content_sealed_to_it() {
    let private = RecipientPrivateKey::generate(2048).unwrap();
    let public = RecipientKey::parse(private.public_key_der()).unwrap();
    assert_eq!(*open(&sealed(&public, b"content"), &private).unwrap(), *b"content");
}

#[test]
fn wipes_buffer_of_wrong_length() {
    let (private, public) = pair(0);
    let length = sealed_length(&public, 32).unwrap();
    let mut envelope = vec![0; length];
    seal_into(&public, &[7; 32], encryption(), &mut envelope).unwrap();
    assert_eq!(*open(&envelope, &private).unwrap(), [7; 32]);
    for other in [0, 1, length - 1, length + 1] {
        let mut buffer = vec![7; other];
        let rejected = seal_into(&public, &[7; 32], encryption(), &mut buffer);
        assert_eq!(rejected, Err(SealError::BufferLength), "{other}");
        assert!(buffer.iter().all(|byte| *byte == 0), "{other}");
    }
}
