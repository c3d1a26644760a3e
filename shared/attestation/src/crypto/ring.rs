//! The provider `ring`, with `rsa`, `aes` and `cbc` for operations that it does not have.

use aes::Aes256;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
pub(super) use ring as api;
use ring::agreement::{self, ECDH_P256, EphemeralPrivateKey};
use ring::rand::SystemRandom;
use ring::signature::{self, EcdsaKeyPair, UnparsedPublicKey};
use rsa::pkcs8::DecodePublicKey;
use rsa::rand_core::{TryCryptoRng, TryRng};
use rsa::sha2::Sha256;
use rustls_pki_types::SignatureVerificationAlgorithm;

use super::{
    AES_256_KEY_LENGTH, AES_BLOCK_LENGTH, CryptoError, OAEP_SEED_LENGTH, P256_POINT_LENGTH,
};

pub(super) const NAME: &str = "ring";

pub(super) const ACCEPTS_OAEP_SEED: bool = true;

pub(crate) const ECDSA_P384_SHA384: &dyn SignatureVerificationAlgorithm =
    webpki::ring::ECDSA_P384_SHA384;

pub(crate) const ECDSA_P256_SHA256: &dyn SignatureVerificationAlgorithm =
    webpki::ring::ECDSA_P256_SHA256;

/// Verifies an ES384 signature. *ring* does not accept a digest, so the parts of the message are concatenated.
pub(super) fn verify_es384(
    public_key: &[u8],
    message: &[&[u8]],
    signature: &[u8],
) -> Result<(), CryptoError> {
    let key = UnparsedPublicKey::new(&signature::ECDSA_P384_SHA384_FIXED, public_key);
    Ok(key.verify(&message.concat(), signature)?)
}

/// Generates a P-256 key pair that signs with ES256. *ring* generates a key pair only as PKCS#8.
pub(super) fn generate_es256_key_pair() -> Result<EcdsaKeyPair, CryptoError> {
    let (algorithm, random) = (&signature::ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
    let pkcs8 = super::generate_p256_key()?;
    EcdsaKeyPair::from_pkcs8(algorithm, &pkcs8, &random).map_err(|_| CryptoError)
}

/// Returns whether `point` is an uncompressed point on the curve P-256. *ring* checks points only when it uses
/// them, so the function agrees on a key with an ephemeral key, and discards the result.
pub(super) fn is_p256_point(point: &[u8; P256_POINT_LENGTH]) -> bool {
    let peer = agreement::UnparsedPublicKey::new(&ECDH_P256, point);
    EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new())
        .and_then(|key| agreement::agree_ephemeral(key, &peer, |_| ()))
        .is_ok()
}

pub(super) struct OaepPublicKey(rsa::PublicKey);

impl OaepPublicKey {
    pub(super) fn from_spki(spki: &[u8]) -> Result<Self, CryptoError> {
        rsa::PublicKey::from_public_key_der(spki).map(Self).map_err(|_| CryptoError)
    }

    /// Encrypts into `output`, which must have the length of the modulus.
    pub(super) fn encrypt(
        &self,
        plaintext: &[u8],
        seed: &[u8; OAEP_SEED_LENGTH],
        output: &mut [u8],
    ) -> Result<(), CryptoError> {
        let encrypted =
            self.0.oaep_encrypt_with_rng::<Sha256, _>(&mut SingleUseSeed(Some(seed)), plaintext);
        let encrypted = encrypted.map_err(|_| CryptoError)?;
        if encrypted.len() != output.len() {
            return Err(CryptoError);
        }
        output.copy_from_slice(&encrypted);
        Ok(())
    }
}

/// A source of randomness that returns the seed once and then fails.
struct SingleUseSeed<'a>(Option<&'a [u8; OAEP_SEED_LENGTH]>);

impl TryRng for SingleUseSeed<'_> {
    type Error = CryptoError;

    fn try_next_u32(&mut self) -> Result<u32, CryptoError> {
        Err(CryptoError)
    }

    fn try_next_u64(&mut self) -> Result<u64, CryptoError> {
        Err(CryptoError)
    }

    fn try_fill_bytes(&mut self, buffer: &mut [u8]) -> Result<(), CryptoError> {
        let seed = self.0.take().ok_or(CryptoError)?;
        if buffer.len() != seed.len() {
            return Err(CryptoError);
        }
        buffer.copy_from_slice(seed);
        Ok(())
    }
}

impl TryCryptoRng for SingleUseSeed<'_> {}

/// Pads (PKCS#7) and encrypts the first `length` bytes of `buffer` in place.
///
/// # Errors
/// If the result does not have the length of `buffer`.
pub(crate) fn aes_256_cbc_encrypt(
    key: &[u8; AES_256_KEY_LENGTH],
    iv: &[u8; AES_BLOCK_LENGTH],
    buffer: &mut [u8],
    length: usize,
) -> Result<(), CryptoError> {
    let room = buffer.len();
    let encrypted = cbc::Encryptor::<Aes256>::new(key.into(), iv.into())
        .encrypt_padded::<Pkcs7>(buffer, length)
        .map_err(|_| CryptoError)?;
    if encrypted.len() == room { Ok(()) } else { Err(CryptoError) }
}

/// Decrypts `buffer` in place. Returns the content without its padding.
pub(crate) fn aes_256_cbc_decrypt<'a>(
    key: &[u8; AES_256_KEY_LENGTH],
    iv: &[u8; AES_BLOCK_LENGTH],
    buffer: &'a mut [u8],
) -> Result<&'a [u8], CryptoError> {
    cbc::Decryptor::<Aes256>::new(key.into(), iv.into())
        .decrypt_padded::<Pkcs7>(buffer)
        .map_err(|_| CryptoError)
}

#[cfg(feature = "simulator")]
pub(super) fn key_pair(
    pkcs8: &[u8],
    random: &api::rand::SystemRandom,
) -> Result<signature::EcdsaKeyPair, CryptoError> {
    let algorithm = &signature::ECDSA_P384_SHA384_FIXED_SIGNING;
    signature::EcdsaKeyPair::from_pkcs8(algorithm, pkcs8, random).map_err(|_| CryptoError)
}
