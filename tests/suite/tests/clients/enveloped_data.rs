//! Parses and decrypts a `CiphertextForRecipient` with OpenSSL, which shares no code with the
//! service.

use std::path::{Path, PathBuf};

use attested_recipient::{Document, RecipientKey};
use tokio::process::Command;

use super::process::{clean, run_successfully};

/// A test key of `tests/suite/keys`.
#[derive(Debug)]
pub(crate) struct TestKey {
    pem: PathBuf,
    key: RecipientKey,
    /// Length of the modulus, in bytes.
    pub(crate) modulus_length: usize,
}

impl TestKey {
    /// Reads the key of 2048, 3072 or 4096 bits.
    pub(crate) fn of_bits(bits: usize) -> Self {
        let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("keys");
        let pem = keys.join(format!("rsa-{bits}.pem"));
        let key = RecipientKey::from_pem(&std::fs::read_to_string(&pem).unwrap()).unwrap();
        Self { pem, key, modulus_length: bits / 8 }
    }

    /// Returns the description of a new document with this key.
    pub(crate) fn document(&self) -> Document {
        Document { public_key: Some(self.subject_public_key_info()), ..Document::default() }
    }

    /// Decrypts an envelope with OpenSSL and with `RecipientKey`. Asserts that both return the same
    /// content.
    pub(crate) fn open(&self, sealed: &[u8]) -> Vec<u8> {
        let arguments = ["cms", "-decrypt", "-inform", "DER", "-inkey"];
        let opened = openssl(|command| command.args(arguments).arg(&self.pem), sealed);
        assert_eq!(*self.key.open(sealed).unwrap(), opened);
        opened
    }

    /// Returns the SHA-256 of the SubjectPublicKeyInfo. An envelope identifies its key by this
    /// digest.
    pub(crate) fn identifier(&self) -> Vec<u8> {
        let arguments = ["dgst", "-sha256", "-binary"];
        openssl(|command| command.args(arguments), &self.subject_public_key_info())
    }

    fn subject_public_key_info(&self) -> Vec<u8> {
        let arguments = ["pkey", "-pubout", "-outform", "DER", "-in"];
        openssl(|command| command.args(arguments).arg(&self.pem), b"")
    }
}

fn openssl(arguments: impl FnOnce(&mut Command) -> &mut Command, input: &[u8]) -> Vec<u8> {
    let mut command = clean(Command::new("openssl"));
    arguments(&mut command);
    run_successfully(command, input)
}

/// Compares an envelope with the layout of KMS byte by byte. The layout is BER, with indefinite
/// lengths in the same places as KMS. The encrypted key, the IV and the ciphertext in the expected
/// bytes are those of `sealed`.
pub(crate) fn assert_kms_layout(sealed: &[u8], key: &TestKey, number_of_bytes: usize) {
    let modulus = key.modulus_length;
    // PKCS#7 adds at least one byte of padding.
    let ciphertext = (number_of_bytes / 16 + 1) * 16;
    let mut form = hex("3080 06092A864886F70D010703 A080 3080 020102");
    form.extend(long(0x31, 4 + 103 + modulus));
    form.extend(long(0x30, 103 + modulus));
    form.extend(hex("020102 8020"));
    form.extend(key.identifier());
    form.extend(hex("303C 06092A864886F70D010107 302F \
                     A00F 300D 0609608648016503040201 0500 \
                     A11C 301A 06092A864886F70D010108 300D 0609608648016503040201 0500"));
    form.extend(long(0x04, modulus));
    form.extend(&sealed[form.len()..][..modulus]);
    form.extend(hex("3080 06092A864886F70D010701 301D 060960864801650304012A 0410"));
    form.extend(&sealed[form.len()..][..16]);
    form.extend(hex("A080"));
    form.extend(if ciphertext < 128 { short(0x04, ciphertext) } else { long(0x04, ciphertext) });
    form.extend(&sealed[form.len()..][..ciphertext]);
    form.extend(hex("0000 0000 0000 0000 0000"));
    assert_eq!(const_hex::encode(sealed), const_hex::encode(form));
}

fn hex(text: &str) -> Vec<u8> {
    const_hex::decode(text.replace(' ', "")).unwrap()
}

/// Encodes a tag and a length of one byte.
fn short(tag: u8, length: usize) -> Vec<u8> {
    vec![tag, length.try_into().unwrap()]
}

/// Encodes a tag and a length in the form 0x82 and two bytes.
fn long(tag: u8, length: usize) -> Vec<u8> {
    let [high, low] = u16::try_from(length).unwrap().to_be_bytes();
    vec![tag, 0x82, high, low]
}
