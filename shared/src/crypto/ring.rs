//! The provider `ring`, with `rsa`, `aes` and `cbc` for what it lacks.

use aes::Aes256;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{self, UnparsedPublicKey};
use rsa::pkcs8::DecodePublicKey;
use rsa::sha2::Sha256;
use rustls_pki_types::SignatureVerificationAlgorithm;

use super::{AES_256_KEY_LENGTH, AES_BLOCK_LENGTH, CryptoError};

pub(super) const NAME: &str = "ring";

pub(crate) const ECDSA_P384_SHA384: &dyn SignatureVerificationAlgorithm =
    webpki::ring::ECDSA_P384_SHA384;

impl From<ring::error::Unspecified> for CryptoError {
    fn from(_: ring::error::Unspecified) -> Self {
        Self
    }
}

pub(super) fn verify_es384(
    public_key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), CryptoError> {
    let key = UnparsedPublicKey::new(&signature::ECDSA_P384_SHA384_FIXED, public_key);
    Ok(key.verify(message, signature)?)
}

/// Fills `buffer` with random bytes of the operating system's quality.
///
/// # Errors
/// If the source of randomness fails.
pub fn fill_random(buffer: &mut [u8]) -> Result<(), CryptoError> {
    Ok(SystemRandom::new().fill(buffer)?)
}

/// An RSA key to encrypt to with OAEP (SHA-256, MGF1 with SHA-256, no label).
pub(crate) struct OaepPublicKey(rsa::PublicKey);

impl OaepPublicKey {
    pub(crate) fn from_spki(spki: &[u8]) -> Result<Self, CryptoError> {
        rsa::PublicKey::from_public_key_der(spki).map(Self).map_err(|_| CryptoError)
    }

    /// Encrypts into `output`, which is as long as the modulus. The seed comes from the operating
    /// system.
    pub(crate) fn encrypt(&self, plaintext: &[u8], output: &mut [u8]) -> Result<(), CryptoError> {
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

/// A P-384 key that signs with ES384.
#[cfg(feature = "simulator")]
pub(crate) struct SigningKey {
    pair: signature::EcdsaKeyPair,
    random: SystemRandom,
}

#[cfg(feature = "simulator")]
impl SigningKey {
    /// A new key in PKCS#8, DER.
    pub(crate) fn generate_pkcs8() -> Result<zeroize::Zeroizing<Vec<u8>>, CryptoError> {
        let algorithm = &signature::ECDSA_P384_SHA384_FIXED_SIGNING;
        let key = signature::EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new())?;
        Ok(zeroize::Zeroizing::new(key.as_ref().to_vec()))
    }

    pub(crate) fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, CryptoError> {
        let random = SystemRandom::new();
        let algorithm = &signature::ECDSA_P384_SHA384_FIXED_SIGNING;
        let pair = signature::EcdsaKeyPair::from_pkcs8(algorithm, pkcs8, &random)
            .map_err(|_| CryptoError)?;
        Ok(Self { pair, random })
    }

    /// The public key as an uncompressed point.
    pub(crate) fn public_key(&self) -> &[u8] {
        use ring::signature::KeyPair;
        self.pair.public_key().as_ref()
    }

    /// Signs `message`: r and s, 48 bytes each.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Ok(self.pair.sign(&self.random, message)?.as_ref().to_vec())
    }
}
