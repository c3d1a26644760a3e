//! Tests of disclosures: `attested-recipient disclose` and `verify-receipt --disclosure`.

use std::fs;

use attestation::content_key_digest;

use crate::enclave::{
    Bodies, CONTENT, Enclave, RECIPIENT, Run, plain, request, run, sealed_response,
};
use crate::envelope::{
    Envelope, OTHER_CONTENT_KEYS, modulus_3_to_the_1292, oaep_block_divisible_by_three,
};

const OTHER_RECIPIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/keys/rsa-3072.pem");

fn disclose(file: &str, key: &str) -> Run {
    run(&["disclose", file, "--key", key])
}

#[test]
fn disclosure_of_the_recipient_proves_the_bytes() {
    let enclave = Enclave::start();
    let file = enclave.file("a.json", &*enclave.exchange(&enclave.sealed(), |_| ()).to_json());
    let disclosed = disclose(&file, RECIPIENT);
    assert_eq!(disclosed.status, 0, "{disclosed:?}");
    assert!(disclosed.stderr.contains("can decrypt the random bytes"), "{disclosed:?}");
    assert_eq!(disclosed.stdout.len(), 65, "{disclosed:?}");
    let key = enclave.file("content-key", &disclosed.stdout);
    let run = enclave.verify(&[&file, "--disclosure", &key]);
    assert_eq!(run.status, 0, "{run:?}");
    assert!(run.stdout.contains("ok       11 disclosure\n"), "{run:?}");
    assert!(run.stdout.contains(&format!("disclosed     {}\n", const_hex::encode(CONTENT))));
    // --out writes the same key, for its owner only.
    let out = enclave.folder().join("out").to_str().unwrap().to_owned();
    let written = self::run(&["disclose", &file, "--key", RECIPIENT, "--out", &out]);
    assert_eq!((written.status, &*written.stdout), (0, ""), "{written:?}");
    assert_eq!(fs::read_to_string(&out).unwrap(), disclosed.stdout);
}

#[test]
fn rejects_other_content_key() {
    let enclave = Enclave::start();
    let file = enclave.file("a.json", &*enclave.exchange(&enclave.sealed(), |_| ()).to_json());
    let key = enclave.file("content-key", "5a".repeat(32));
    let rejected = enclave.verify(&[&file, "--disclosure", &key]);
    rejected.assert_rejects("11 disclosure: this is not the content key of the response");
    assert!(!rejected.stdout.contains("disclosed"), "{rejected:?}");
}

#[test]
fn discloses_neither_foreign_nor_plain_nor_unbound_responses() {
    let enclave = Enclave::start();
    let sealed = enclave.sealed();
    let unbound = |receipt: &mut attestation::receipt::Receipt<'_>| {
        receipt.content_key_digest = Some([1; 32]);
    };
    for (exchange, key, text) in [
        (enclave.exchange(&sealed, |_| ()), OTHER_RECIPIENT, "sealed to another key"),
        (enclave.exchange(&plain(), |_| ()), RECIPIENT, "the response is not sealed"),
        (enclave.exchange(&sealed, unbound), RECIPIENT, "this is not the content key"),
    ] {
        let file = enclave.file("a.json", &*exchange.to_json());
        let run = disclose(&file, key);
        assert_eq!((run.status, &*run.stdout), (1, ""), "{run:?}");
        assert!(run.stderr.contains(text), "{text}: {run:?}");
    }
    let file = enclave.file("a.json", &*enclave.exchange(&sealed, |_| ()).to_json());
    disclose(&file, &file).assert_usage("PEM");
    disclose("/does/not/exist", RECIPIENT).assert_usage("/does/not/exist");
}

/// Returns the bodies of an envelope, in a request for `number_of_bytes`.
fn bodies(envelope: &Envelope, number_of_bytes: usize, content_key: &[u8; 32]) -> Bodies {
    Bodies {
        request: request(number_of_bytes, Some(b"any document")),
        response: sealed_response(&envelope.to_der()),
        content_key_digest: Some(content_key_digest(content_key)),
    }
}

#[test]
fn rejects_other_length_and_wrong_padding() {
    let enclave = Enclave::start();
    let content_key = [0xc4; 32];
    let disclosure = enclave.file("content-key", const_hex::encode(content_key));
    let padded = [&CONTENT[..], &[12; 12]].concat();
    let mut wrong_padding = padded.clone();
    wrong_padding[CONTENT.len()] = 11;
    for (blocks, number_of_bytes, outcome) in [
        (&padded, 20, None),
        (&padded, 21, Some("the response contains 20 bytes, not NumberOfBytes (21)")),
        (&padded, 32, Some("the response contains 20 bytes, not NumberOfBytes (32)")),
        (&wrong_padding, 20, Some("cannot be decrypted")),
    ] {
        let envelope = Envelope::encrypt(blocks, &content_key);
        let exchange = enclave.exchange(&bodies(&envelope, number_of_bytes, &content_key), |_| ());
        let file = enclave.file("a.json", &*exchange.to_json());
        let run = enclave.verify(&[&file, "--disclosure", &disclosure]);
        match outcome {
            None => assert_eq!(run.status, 0, "{run:?}"),
            Some(text) => run.assert_rejects(text),
        }
    }
}

/// A recipient chose the modulus 3^1292. Every multiple of 3 then has the same encryption: 0. So the recipient can
/// claim that `encryptedKey` decrypts to any content key, and look for one that decrypts the content to other bytes.
#[test]
fn envelope_for_3_to_the_1292_has_one_disclosure() {
    let enclave = Enclave::start();
    let modulus = modulus_3_to_the_1292();
    assert_eq!((modulus.len(), modulus[0] >> 7), (256, 1), "the modulus has 2048 bits");
    let content_key = [0xc4; 32];
    let padded = [&CONTENT[..15], &[1]].concat();
    let envelope = Envelope::encrypt(&padded, &content_key);
    let exchange = enclave.exchange(&bodies(&envelope, 15, &content_key), |_| ());
    let file = enclave.file("a.json", &*exchange.to_json());
    // Another content key with valid padding and the right length, in whose favour the recipient can argue.
    let other = OTHER_CONTENT_KEYS
        .map(|number: u16| [&[0xee; 30][..], &number.to_be_bytes()].concat().try_into().unwrap())
        .find(|key: &[u8; 32]| envelope.decrypt(key).is_some_and(|content| content.len() == 15))
        .unwrap();
    assert_ne!(envelope.decrypt(&other), envelope.decrypt(&content_key));
    for key in [&content_key, &other] {
        // The block is a multiple of 3, so its power of 65537 is a multiple of 3^1292.
        let block = oaep_block_divisible_by_three(key);
        assert!(block < modulus, "RSA encrypts this block");
    }
    for (key, is_accepted) in [(&content_key, true), (&other, false)] {
        let disclosure = enclave.file("content-key", const_hex::encode(key));
        let run = enclave.verify(&[&file, "--disclosure", &disclosure]);
        match is_accepted {
            true => assert_eq!(run.status, 0, "{run:?}"),
            false => run.assert_rejects("11 disclosure: this is not the content key"),
        }
    }
}
