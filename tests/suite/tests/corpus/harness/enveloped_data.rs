//! Extracts the random values of one `CiphertextForRecipient` with the recipient's private key:
//! content, content key, IV and OAEP seed. The other decryptors of the tests do not return the
//! seed.

use std::convert::Infallible;
use std::sync::LazyLock;

use rsa::hazmat::rsa_decrypt;
use rsa::pkcs8::DecodePrivateKey;
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::{BoxedUint, PrivateKey};
use sha2::{Digest, Sha256};

use crate::harness::service::recipient;

/// Length of a modulus of 2048 bits, in bytes.
const MODULUS_LENGTH: usize = 256;
/// The header of an OCTET STRING of [`MODULUS_LENGTH`] bytes. Only the encrypted key has this
/// header.
const ENCRYPTED_KEY: [u8; 4] = [0x04, 0x82, 0x01, 0x00];
/// id-aes256-CBC, followed by the header of the IV.
const IV: [u8; 13] = [0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a, 0x04, 0x10];
/// Length of a SHA-256 digest and of the OAEP seed, in bytes.
const DIGEST_LENGTH: usize = 32;

static KEY: LazyLock<PrivateKey> = LazyLock::new(|| {
    PrivateKey::from_pkcs8_pem(include_str!("../../../keys/rsa-2048.pem")).unwrap()
});

/// The random values of one envelope.
#[derive(Debug)]
pub(crate) struct OpenedEnvelope {
    pub(crate) content: Vec<u8>,
    pub(crate) content_key: Vec<u8>,
    pub(crate) iv: Vec<u8>,
    pub(crate) oaep_seed: Vec<u8>,
}

impl OpenedEnvelope {
    pub(crate) fn open(sealed: &[u8]) -> Self {
        let content = recipient().open(sealed).unwrap().to_vec();
        let (oaep_seed, content_key) = unpad(&decrypt(after(sealed, &ENCRYPTED_KEY)));
        Self { content, content_key, iv: after(sealed, &IV)[..16].to_vec(), oaep_seed }
    }
}

fn after<'a>(sealed: &'a [u8], header: &[u8]) -> &'a [u8] {
    let at = sealed.windows(header.len()).position(|window| window == header).unwrap();
    &sealed[at + header.len()..]
}

/// Decrypts an RSA ciphertext. The result still contains the OAEP padding.
fn decrypt(encrypted: &[u8]) -> Vec<u8> {
    let encrypted = BoxedUint::from_be_slice(&encrypted[..MODULUS_LENGTH], 2048).unwrap();
    let padded = rsa_decrypt(None::<&mut Unused>, &*KEY, &encrypted).unwrap();
    padded.to_be_bytes().to_vec()
}

/// Decodes EME-OAEP (RFC 8017 section 7.1.2, step 3). Returns the seed and the message.
fn unpad(padded: &[u8]) -> (Vec<u8>, Vec<u8>) {
    assert_eq!((padded.len(), padded[0]), (MODULUS_LENGTH, 0));
    let (masked_seed, masked_db) = padded[1..].split_at(DIGEST_LENGTH);
    let seed = masked(masked_seed, masked_db);
    let db = masked(masked_db, &seed);
    let (label, rest) = db.split_at(DIGEST_LENGTH);
    assert_eq!(label, Sha256::digest([]).as_slice());
    let one = rest.iter().position(|byte| *byte != 0).unwrap();
    assert_eq!(rest[one], 1);
    (seed, rest[one + 1..].to_vec())
}

/// Applies the mask that MGF1 derives from `seed` (RFC 8017 appendix B.2.1).
fn masked(bytes: &[u8], seed: &[u8]) -> Vec<u8> {
    let mask = (0_u32..).flat_map(|counter| {
        Sha256::new().chain_update(seed).chain_update(counter.to_be_bytes()).finalize()
    });
    bytes.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect()
}

/// The type of a random generator that does not exist. The tests do not blind RSA operations, so
/// they need no random bytes.
enum Unused {}

impl TryRng for Unused {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        match *self {}
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        match *self {}
    }

    fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), Infallible> {
        match *self {}
    }
}

impl TryCryptoRng for Unused {}
