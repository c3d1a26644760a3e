//! CMS envelopes that the test builds itself.

use std::ops::RangeInclusive;

use aes::Aes256;
use attestation::cms::open_with_content_key;
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockModeEncrypt, KeyIvInit};
use sha2::{Digest, Sha256};
use simulator::der::{integer, object_identifier, sequence, tlv};

const ENVELOPED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x03];
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
const RSAES_OAEP: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x07];
const MGF1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08];
const SHA_256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
const AES_256_CBC: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a];

const IV: [u8; 16] = [0x1b; 16];
const MODULUS_LENGTH: usize = 256;

/// The numbers in content keys that a recipient tries. One of 256 keys gives a padding of one byte.
pub(crate) const OTHER_CONTENT_KEYS: RangeInclusive<u16> = 0..=u16::MAX;

/// An envelope whose `encryptedKey` is 0, the encryption of every multiple of 3 under the modulus 3^1292.
pub(crate) struct Envelope {
    ciphertext: Vec<u8>,
}

impl Envelope {
    /// Encrypts whole blocks, which include the padding.
    pub(crate) fn encrypt(blocks: &[u8], content_key: &[u8; 32]) -> Self {
        let encryptor = cbc::Encryptor::<Aes256>::new(content_key.into(), &IV.into());
        Self { ciphertext: encryptor.encrypt_padded_vec::<NoPadding>(blocks) }
    }

    /// Decrypts the content as a recipient of KMS does. Returns `None` if the padding is wrong.
    pub(crate) fn decrypt(&self, content_key: &[u8; 32]) -> Option<Vec<u8>> {
        open_with_content_key(&self.to_der(), content_key).ok().map(|content| content.to_vec())
    }

    pub(crate) fn to_der(&self) -> Vec<u8> {
        let sha_256 = sequence(&[&object_identifier(SHA_256), &tlv(0x05, &[])]);
        let mgf1 = sequence(&[&object_identifier(MGF1), &sha_256]);
        let oaep = sequence(&[&tlv(0xa0, &sha_256), &tlv(0xa1, &mgf1)]);
        let recipient = sequence(&[
            &integer(&[2]),
            &tlv(0x80, &[0x5a; 32]),
            &sequence(&[&object_identifier(RSAES_OAEP), &oaep]),
            &tlv(0x04, &[0; MODULUS_LENGTH]),
        ]);
        let content = sequence(&[
            &object_identifier(DATA),
            &sequence(&[&object_identifier(AES_256_CBC), &tlv(0x04, &IV)]),
            &tlv(0x80, &self.ciphertext),
        ]);
        let enveloped = sequence(&[&integer(&[2]), &tlv(0x31, &recipient), &content]);
        sequence(&[&object_identifier(ENVELOPED_DATA), &tlv(0xa0, &enveloped)])
    }
}

/// Returns 3^1292, big-endian.
pub(crate) fn modulus_3_to_the_1292() -> Vec<u8> {
    let mut digits = vec![1_u8];
    for _ in 0..1292 {
        let mut carry = 0;
        for digit in &mut digits {
            let product = u16::from(*digit) * 3 + carry;
            *digit = u8::try_from(product & 0xff).unwrap();
            carry = product >> 8;
        }
        digits.extend((carry > 0).then(|| u8::try_from(carry).unwrap()));
    }
    digits.reverse();
    digits
}

/// Returns an OAEP block (RFC 8017 section 7.1.1) of `content_key` that is a multiple of 3. One of three seeds gives
/// such a block.
pub(crate) fn oaep_block_divisible_by_three(content_key: &[u8; 32]) -> Vec<u8> {
    let block = |seed: u8| {
        let seed = [seed; 32];
        let zeros = vec![0; MODULUS_LENGTH - 2 * 32 - 2 - content_key.len()];
        let data = [&Sha256::digest(b"")[..], &zeros, &[1], content_key].concat();
        let masked_data = xor(&data, &mgf1(&seed, data.len()));
        let masked_seed = xor(&seed, &mgf1(&masked_data, seed.len()));
        [&[0], &masked_seed[..], &masked_data].concat()
    };
    // 256 is 1 modulo 3, so the sum of the digits decides.
    let is_multiple =
        |block: &Vec<u8>| block.iter().map(|digit| u32::from(*digit)).sum::<u32>() % 3 == 0;
    (0..=u8::MAX).map(block).find(is_multiple).unwrap()
}

fn xor(one: &[u8], other: &[u8]) -> Vec<u8> {
    one.iter().zip(other).map(|(one, other)| one ^ other).collect()
}

fn mgf1(seed: &[u8], length: usize) -> Vec<u8> {
    let block = |counter: u32| Sha256::digest([seed, &counter.to_be_bytes()].concat()).to_vec();
    let mut mask: Vec<u8> = (0..8).flat_map(block).collect();
    mask.truncate(length);
    mask
}
