//! Tests with ciphertexts that AWS KMS wrote.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::fs;

use attestation::cms::{OpenError, RecipientPrivateKey, open};

mod vectors;

#[test]
fn opens_ciphertext_written_by_kms() {
    let Some(vectors) = vectors::vectors("a ciphertext that KMS wrote") else { return };
    let read = |name: &str| fs::read(vectors.join("cms").join(name)).unwrap();
    let pem = String::from_utf8(read("edgebit_key.pem")).unwrap();
    let key = RecipientPrivateKey::from_pem(&pem).unwrap();
    let envelope = read("edgebit_ciphertext_for_recipient.ber");
    assert_eq!(*open(&envelope, &key).unwrap(), read("edgebit_plaintext.bin"));
}

#[test]
fn rejects_oaep_sha1_and_other_recipients() {
    let Some(vectors) = vectors::vectors("ciphertexts that cannot be opened") else { return };
    let read = |name: &str| fs::read(vectors.join("cms").join(name)).unwrap();
    let pem = String::from_utf8(read("edgebit_key.pem")).unwrap();
    let key = RecipientPrivateKey::from_pem(&pem).unwrap();
    for (name, expected) in [
        ("brodyxchen_sha1oaep.ber", OpenError::KeyEncryption),
        // Both ciphertexts parse completely. The content of the second is in a primitive element [0].
        ("awssdkc_input_ber.bin", OpenError::OtherRecipient),
        ("awssdkc_input_ber_w_ctx.bin", OpenError::OtherRecipient),
    ] {
        assert_eq!(open(&read(name), &key).unwrap_err(), expected, "{name}");
    }
}
