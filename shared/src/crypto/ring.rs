//! The provider `ring`, with `rsa`, `aes` and `cbc` for what it lacks.

use aes::Aes256;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
pub(super) use ring as api;
#[cfg(feature = "simulator")]
use ring::signature;
use rsa::pkcs8::DecodePublicKey;
use rsa::sha2::Sha256;
use rustls_pki_types::SignatureVerificationAlgorithm;

use super::{AES_256_KEY_LENGTH, AES_BLOCK_LENGTH, CryptoError};

pub(super) const NAME: &str = "ring";

pub(crate) const ECDSA_P384_SHA384: &dyn SignatureVerificationAlgorithm =
    webpki::ring::ECDSA_P384_SHA384;

pub(super) struct OaepPublicKey(rsa::PublicKey);

impl OaepPublicKey {
    pub(super) fn from_spki(spki: &[u8]) -> Result<Self, CryptoError> {
        rsa::PublicKey::from_public_key_der(spki).map(Self).map_err(|_| CryptoError)
    }

    /// Encrypts into `output`, which is as long as the modulus. The seed comes from the operating
    /// system.
    pub(super) fn encrypt(&self, plaintext: &[u8], output: &mut [u8]) -> Result<(), CryptoError> {
        let encrypted = self.0.oaep_encrypt::<Sha256>(plaintext).map_err(|_| CryptoError)?;
        if encrypted.len() != output.len() {
            return Err(CryptoError);
        }
        output.copy_from_slice(&encrypted);
        Ok(())
    }
}

/// Pads (PKCS#7) and encrypts all of `buffer` after the first `from` bytes, in place.
pub(crate) fn aes_256_cbc_encrypt(
    key: &[u8; AES_256_KEY_LENGTH],
    iv: &[u8; AES_BLOCK_LENGTH],
    buffer: &mut Vec<u8>,
    from: usize,
) -> Result<(), CryptoError> {
    let length = buffer.len().checked_sub(from).ok_or(CryptoError)?;
    let padding = AES_BLOCK_LENGTH - length % AES_BLOCK_LENGTH;
    buffer.resize(buffer.len() + padding, 0);
    let message = buffer.get_mut(from..).ok_or(CryptoError)?;
    cbc::Encryptor::<Aes256>::new(key.into(), iv.into())
        .encrypt_padded::<Pkcs7>(message, length)
        .map_err(|_| CryptoError)?;
    Ok(())
}

/// Decrypts `buffer` in place and removes the padding.
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
