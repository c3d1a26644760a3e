//! Tests with NIST's vectors, and a test of each step that the vectors might not cover.

use std::collections::BTreeMap;
use std::fs;

use super::*;

#[path = "../../../shared/attestation/tests/vectors/mod.rs"]
mod vectors;

const ENTROPY: [u8; 48] = [0x11; 48];
const NONCE: [u8; 16] = [0x22; 16];

fn drbg() -> CtrDrbg {
    CtrDrbg::instantiate(&ENTROPY, &NONCE, b"personalization").unwrap()
}

fn generated(drbg: &mut CtrDrbg, length: usize) -> Vec<u8> {
    let mut out = vec![0; length];
    drbg.generate(&mut out, &[]).unwrap();
    out
}

/// The values of one vector by name, in order.
type Vector = BTreeMap<String, Vec<Vec<u8>>>;

fn parse(text: &str) -> Vec<(bool, Vector)> {
    let mut prediction_resistance = None;
    let mut vectors = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(parameter) = line.strip_prefix("[PredictionResistance = ") {
            prediction_resistance = Some(parameter == "True]");
        } else if line == "COUNT = 0" {
            vectors.push((prediction_resistance.unwrap(), Vector::new()));
        } else if !line.starts_with('[') {
            let (name, hex) = line.split_once(" =").unwrap();
            let (_, vector) = vectors.last_mut().unwrap();
            let bytes = const_hex::decode(hex.trim_start()).unwrap();
            vector.entry(name.to_owned()).or_default().push(bytes);
        }
    }
    vectors
}

#[test]
fn matches_nist_vectors() {
    let Some(folder) = vectors::vectors("NIST's vectors for CTR_DRBG") else { return };
    let text = fs::read_to_string(folder.join("drbg/ctr_drbg_aes256_df.rsp")).unwrap();
    let vectors = parse(&text);
    assert_eq!(vectors.len(), 4);
    for (number, (prediction_resistance, vector)) in vectors.into_iter().enumerate() {
        let only = |name: &str| {
            assert_eq!(vector[name].len(), 1, "{name}");
            &vector[name][0]
        };
        let mut drbg = CtrDrbg::instantiate(
            only("EntropyInput"),
            only("Nonce"),
            only("PersonalizationString"),
        )
        .unwrap();
        let expected = only("ReturnedBits");
        let mut returned = vec![0; expected.len()];
        assert_eq!(vector["AdditionalInput"].len(), 2);
        for (request, additional_input) in vector["AdditionalInput"].iter().enumerate() {
            if prediction_resistance {
                let entropy_input = &vector["EntropyInputPR"][request];
                drbg.reseed(entropy_input, [additional_input, &[]]).unwrap();
                drbg.generate(&mut returned, &[]).unwrap();
            } else {
                drbg.generate(&mut returned, additional_input).unwrap();
            }
        }
        assert_eq!(&returned, expected, "vector {number}");
    }
}

/// Returns the output of Block_Cipher_df and BCC, computed step by step as in sections 10.3.2 and 10.3.3.
fn derived_as_written(input: &[u8]) -> Vec<u8> {
    let length = u32::try_from(input.len()).unwrap().to_be_bytes();
    let mut s = [&length, &48_u32.to_be_bytes(), input, &[0x80]].concat();
    while s.len() % 16 != 0 {
        s.push(0);
    }
    let key: Vec<u8> = (0..32).collect();
    let bcc = |iv: u32| {
        let data = [&iv.to_be_bytes()[..], &[0; 12], &s].concat();
        let mut chaining_value = [0; 16];
        for block in data.chunks(16) {
            chaining_value.iter_mut().zip(block).for_each(|(value, byte)| *value ^= byte);
            Aes256::new(key.as_array().unwrap()).encrypt(&mut chaining_value);
        }
        chaining_value
    };
    let temp = [bcc(0), bcc(1), bcc(2)].concat();
    let (key, mut x) = (&temp[..32], *temp[32..].as_array::<16>().unwrap());
    let mut blocks = Vec::new();
    while blocks.len() < 48 {
        Aes256::new(key.as_array().unwrap()).encrypt(&mut x);
        blocks.extend(x);
    }
    blocks
}

#[test]
fn derivation_matches_the_standard_for_every_length() {
    let input: Vec<u8> = (0..=255).cycle().take(600).collect();
    for length in 0..input.len() {
        let mut seed = Zeroizing::new([0; SEED_LENGTH]);
        // Split into two parts at varying positions.
        let (first, second) = input[..length].split_at(length / 3);
        drbg().derive(&[first, second], &mut seed);
        assert_eq!(seed[..], derived_as_written(&input[..length]), "{length}");
    }
}

#[test]
fn reseed_changes_the_output() {
    let (mut one, mut other) = (drbg(), drbg());
    other.reseed(&[0x33; 32], [&[], &[]]).unwrap();
    assert_ne!(generated(&mut one, 32), generated(&mut other, 32));
}

#[test]
fn every_byte_of_instantiate_input_changes_the_output() {
    let expected = |entropy: &[u8], nonce: &[u8], string: &[u8]| {
        generated(&mut CtrDrbg::instantiate(entropy, nonce, string).unwrap(), 32)
    };
    let string = [0x33; 20];
    let good = expected(&ENTROPY, &NONCE, &string);
    for index in 0..ENTROPY.len() {
        let mut entropy = ENTROPY;
        entropy[index] ^= 1;
        assert_ne!(expected(&entropy, &NONCE, &string), good, "entropy {index}");
    }
    for index in 0..NONCE.len() {
        let mut nonce = NONCE;
        nonce[index] ^= 1;
        assert_ne!(expected(&ENTROPY, &nonce, &string), good, "nonce {index}");
    }
    for index in 0..string.len() {
        let mut string = string;
        string[index] ^= 1;
        assert_ne!(expected(&ENTROPY, &NONCE, &string), good, "string {index}");
    }
}

#[test]
fn every_byte_of_reseed_input_changes_the_output() {
    let expected = |input: &[u8]| {
        let mut drbg = drbg();
        drbg.reseed(&input[..256], [&input[256..300], &input[300..]]).unwrap();
        generated(&mut drbg, 32)
    };
    let mut input = [0x44; 332];
    let good = expected(&input);
    for index in 0..input.len() {
        input[index] ^= 1;
        assert_ne!(expected(&input), good, "{index}");
        input[index] ^= 1;
    }
}

#[test]
fn additional_input_parts_are_concatenated() {
    let reseeded = |additional: [&[u8]; 2]| {
        let mut drbg = drbg();
        drbg.reseed(&ENTROPY, additional).unwrap();
        generated(&mut drbg, 16)
    };
    let concatenated = reseeded([b"labelrandom", b""]);
    assert_eq!(reseeded([b"label", b"random"]), concatenated);
    assert_eq!(reseeded([b"", b"labelrandom"]), concatenated);
}

#[test]
fn key_and_v_change_with_every_request() {
    let mut drbg = drbg();
    // Encrypts a constant block, because equal results would mean that the key is the same.
    let encrypted = |drbg: &CtrDrbg| {
        let mut block = [0; AES_BLOCK_LENGTH];
        drbg.cipher.encrypt(&mut block);
        block
    };
    let (key, v) = (encrypted(&drbg), *drbg.v);
    generated(&mut drbg, 16);
    assert_ne!(encrypted(&drbg), key);
    // An update replaces V. Without the replacement, one block and its update would only increment V by
    // four.
    let distance = u128::from_be_bytes(*drbg.v).wrapping_sub(u128::from_be_bytes(v));
    assert!(distance > 1 << 16);
}

#[test]
fn output_blocks_do_not_repeat() {
    let mut drbg = drbg();
    let first = generated(&mut drbg, 1024);
    let second = generated(&mut drbg, 1024);
    let blocks: std::collections::BTreeSet<&[u8]> =
        first.chunks(16).chain(second.chunks(16)).collect();
    assert_eq!(blocks.len(), 128);
}

#[test]
fn shorter_output_is_a_prefix_of_a_longer_one() {
    let long = generated(&mut drbg(), 100);
    for length in 0..100 {
        assert_eq!(generated(&mut drbg(), length), long[..length], "{length}");
    }
}

#[test]
fn counter_v_wraps_over_all_its_bytes() {
    let mut drbg = drbg();
    *drbg.v = [0xff; AES_BLOCK_LENGTH];
    let mut expected = [0; AES_BLOCK_LENGTH];
    drbg.cipher.encrypt(&mut expected);
    assert_eq!(generated(&mut drbg, 16), expected);
}

#[test]
fn additional_input_changes_output_and_state() {
    let (mut one, mut other) = (drbg(), drbg());
    let (mut first, mut second) = ([0; 16], [0; 16]);
    one.generate(&mut first, &[]).unwrap();
    other.generate(&mut second, b"additional").unwrap();
    assert_ne!(first, second);
    assert_ne!(*one.v, *other.v);
}

#[test]
fn counts_generate_calls_since_the_last_reseed() {
    let mut drbg = drbg();
    assert_eq!(drbg.generate_calls_since_reseed(), 0);
    generated(&mut drbg, 1);
    generated(&mut drbg, 1);
    assert_eq!(drbg.generate_calls_since_reseed(), 2);
    drbg.reseed(&ENTROPY, [&[], &[]]).unwrap();
    assert_eq!(drbg.generate_calls_since_reseed(), 0);
}

#[test]
fn rejects_short_entropy_input_and_nonce() {
    for length in [0, 16, 31] {
        let error = DrbgError::EntropyInput { length };
        let short = &ENTROPY[..length];
        assert_eq!(CtrDrbg::instantiate(short, &NONCE, &[]).err(), Some(error));
        assert_eq!(drbg().reseed(short, [&ENTROPY, &[]]), Err(error));
    }
    for length in [0, 15] {
        let error = DrbgError::Nonce { length };
        assert_eq!(CtrDrbg::instantiate(&ENTROPY, &NONCE[..length], &[]).err(), Some(error));
    }
    CtrDrbg::instantiate(&ENTROPY[..32], &NONCE, &[]).unwrap();
}

#[test]
fn rejects_request_over_its_limit_and_zeroizes_the_output() {
    let mut out = vec![0xee; 65_537];
    let error = DrbgError::RequestTooLong { length: 65_537 };
    assert_eq!(drbg().generate(&mut out, &[]), Err(error));
    assert!(out.iter().all(|byte| *byte == 0));
    drbg().generate(&mut out[..65_536], &[]).unwrap();
}

#[test]
fn rejects_requests_when_a_reseed_is_required() {
    let mut drbg = drbg();
    drbg.reseed_counter = 1 << 48;
    generated(&mut drbg, 1);
    let mut out = [0xee; 4];
    assert_eq!(drbg.generate(&mut out, &[]), Err(DrbgError::ReseedRequired));
    assert_eq!(out, [0; 4]);
    drbg.reseed(&ENTROPY, [&[], &[]]).unwrap();
    generated(&mut drbg, 1);
}

#[test]
fn debug_output_hides_the_state() {
    assert_eq!(format!("{:?}", drbg()), "CtrDrbg(..)");
}
