//! Three decryptors for each sealed response: OpenSSL, a decryptor with fixed offsets that uses the
//! crates `rsa`, `aes` and `cbc`, and `RecipientKey`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use aes::Aes256;
use attested_recipient::{Document, RecipientKey, Simulator};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, KeyIvInit};
use rsa::pkcs8::DecodePrivateKey;
use rsa::sha2::Sha256;

/// Lengths of the content, in bytes: near multiples of the AES block size, and near the maximum.
const LENGTHS: [u16; 9] = [1, 15, 16, 17, 31, 32, 1008, 1023, 1024];

/// Offset of the encrypted key in KMS's layout, for keys of 2048 bits or more.
const ENCRYPTED_KEY_OFFSET: usize = 131;
/// The bytes between the encrypted key and the IV, which are the content type and the algorithm.
const HEADER_LENGTH_BEFORE_IV: usize = 28;
/// Number of bytes after the ciphertext, which end the five elements of indefinite length.
const END_OF_CONTENTS_LENGTH: usize = 10;

fn pem_of_bits(bits: usize) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("keys").join(format!("rsa-{bits}.pem"))
}

fn decrypt_with_openssl(sealed: &[u8], key: &Path) -> Vec<u8> {
    let mut openssl = Command::new("openssl")
        .args(["cms", "-decrypt", "-inform", "DER", "-inkey"])
        .arg(key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("cannot run openssl ({error}): install it (apt-get install openssl)")
        });
    // The envelope fits into the pipe's buffer, so the write does not block although the output is
    // not read yet.
    openssl.stdin.take().unwrap().write_all(sealed).unwrap();
    let output = openssl.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Decrypts an envelope at fixed offsets, without a parser. Only the lengths of the key and of the
/// content vary.
fn decrypt_by_offsets(sealed: &[u8], pem: &str, modulus_length: usize) -> Vec<u8> {
    let key = rsa::PrivateKey::from_pkcs8_pem(pem).unwrap();
    let (encrypted_key, rest) = sealed[ENCRYPTED_KEY_OFFSET..].split_at(modulus_length);
    let content_key = key.oaep_decrypt::<Sha256>(encrypted_key).unwrap();
    let (iv, rest) = rest[HEADER_LENGTH_BEFORE_IV..].split_at(16);
    // [0] of indefinite length, then one OCTET STRING
    let (octets, ends) = rest.split_at(rest.len() - END_OF_CONTENTS_LENGTH);
    assert_eq!((&octets[..3], ends), (&[0xa0, 0x80, 0x04][..], &[0; END_OF_CONTENTS_LENGTH][..]));
    let ciphertext = match octets[3] {
        0x82 => &octets[6..],
        _ => &octets[4..],
    };
    let content_key: &[u8; 32] = content_key.as_slice().try_into().unwrap();
    let iv: &[u8; 16] = iv.try_into().unwrap();
    cbc::Decryptor::<Aes256>::new(content_key.into(), iv.into())
        .decrypt_padded_vec::<Pkcs7>(ciphertext)
        .unwrap()
}

#[test]
fn three_decryptors_agree_on_every_envelope() {
    let simulator = Simulator::start().unwrap();
    let client = simulator.client().unwrap();
    for bits in [2048, 3072, 4096] {
        let path = pem_of_bits(bits);
        let pem = std::fs::read_to_string(&path).unwrap();
        let key = RecipientKey::from_pem(&pem).unwrap();
        let document = simulator.document(&Document::for_key(&key)).unwrap();
        for number_of_bytes in LENGTHS {
            let sealed = client.generate_random_for(number_of_bytes, &document).unwrap();
            let opened = key.open(&sealed).unwrap();
            assert_eq!(opened.len(), usize::from(number_of_bytes));
            let from_offsets = decrypt_by_offsets(&sealed, &pem, bits / 8);
            assert_eq!(from_offsets, *opened, "RSA-{bits}, {number_of_bytes}: by offsets");
            let from_openssl = decrypt_with_openssl(&sealed, &path);
            assert_eq!(from_openssl, *opened, "RSA-{bits}, {number_of_bytes}: OpenSSL");
        }
    }
}
