//! The provider `aws-lc-rs`.

/// The API of *ring*, which this provider implements too.
pub(super) use aws_lc_rs as api;
use aws_lc_rs::cipher::{
    AES_256, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey,
    PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::digest::{self, SHA384};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use aws_lc_rs::signature::{self, EcdsaKeyPair, ParsedPublicKey, UnparsedPublicKey};
use rustls_pki_types::SignatureVerificationAlgorithm;

use super::{
    AES_256_KEY_LENGTH, AES_BLOCK_LENGTH, CryptoError, OAEP_SEED_LENGTH, P256_POINT_LENGTH,
};

pub(super) const NAME: &str = "aws-lc-rs";

pub(super) const ACCEPTS_OAEP_SEED: bool = false;

pub(crate) const ECDSA_P384_SHA384: &dyn SignatureVerificationAlgorithm =
    webpki::aws_lc_rs::ECDSA_P384_SHA384;

pub(crate) const ECDSA_P256_SHA256: &dyn SignatureVerificationAlgorithm =
    webpki::aws_lc_rs::ECDSA_P256_SHA256;

impl From<aws_lc_rs::error::KeyRejected> for CryptoError {
    fn from(_: aws_lc_rs::error::KeyRejected) -> Self {
        Self
    }
}

/// Verifies an ES384 signature. The parts of the message are hashed without a copy.
pub(super) fn verify_es384(
    public_key: &[u8],
    message: &[&[u8]],
    signature: &[u8],
) -> Result<(), CryptoError> {
    let mut digest = digest::Context::new(&SHA384);
    message.iter().for_each(|part| digest.update(part));
    let key = UnparsedPublicKey::new(&signature::ECDSA_P384_SHA384_FIXED, public_key);
    Ok(key.verify_digest(&digest.finish(), signature)?)
}

/// Generates a P-256 key pair that signs with ES256.
pub(super) fn generate_es256_key_pair() -> Result<EcdsaKeyPair, CryptoError> {
    Ok(EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING)?)
}

/// Returns whether `point` is an uncompressed point on the curve P-256.
pub(super) fn is_p256_point(point: &[u8; P256_POINT_LENGTH]) -> bool {
    // AWS-LC also accepts the hybrid form, which begins with 6 or 7 (X9.62, section 4.3.6).
    point.first() == Some(&0x04)
        && ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).is_ok()
}

pub(super) struct OaepPublicKey(OaepPublicEncryptingKey);

impl OaepPublicKey {
    pub(super) fn from_spki(spki: &[u8]) -> Result<Self, CryptoError> {
        Ok(Self(OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(spki)?)?))
    }

    /// Encrypts into `output`, which must have the length of the modulus.
    ///
    /// AWS-LC draws the OAEP seed from its own DRBG and accepts none from the caller.
    pub(super) fn encrypt(
        &self,
        plaintext: &[u8],
        _seed: &[u8; OAEP_SEED_LENGTH],
        output: &mut [u8],
    ) -> Result<(), CryptoError> {
        let length = output.len();
        let written = self.0.encrypt(&OAEP_SHA256_MGF1SHA256, plaintext, output, None)?.len();
        if written == length { Ok(()) } else { Err(CryptoError) }
    }
}

fn aes_256(key: &[u8; AES_256_KEY_LENGTH]) -> Result<UnboundCipherKey, CryptoError> {
    Ok(UnboundCipherKey::new(&AES_256, key)?)
}

/// A message at the start of a buffer that has space for its padding, for the provider's in-place interface.
struct PaddedMessage<'a> {
    buffer: &'a mut [u8],
    length: usize,
}

impl AsMut<[u8]> for PaddedMessage<'_> {
    fn as_mut(&mut self) -> &mut [u8] {
        self.buffer.get_mut(..self.length).unwrap_or_default()
    }
}

impl<'b> Extend<&'b u8> for PaddedMessage<'_> {
    /// Appends bytes. Bytes beyond the end of the buffer are counted but not written.
    fn extend<I: IntoIterator<Item = &'b u8>>(&mut self, bytes: I) {
        for byte in bytes {
            if let Some(place) = self.buffer.get_mut(self.length) {
                *place = *byte;
            }
            self.length += 1;
        }
    }
}

/// Pads (PKCS#7) and encrypts the first `length` bytes of `buffer` in place.
///
/// # Errors
/// If the result does not have the length of `buffer`, or the provider fails.
pub(crate) fn aes_256_cbc_encrypt(
    key: &[u8; AES_256_KEY_LENGTH],
    iv: &[u8; AES_BLOCK_LENGTH],
    buffer: &mut [u8],
    length: usize,
) -> Result<(), CryptoError> {
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(aes_256(key)?)?;
    let context = EncryptionContext::Iv128(FixedLength::from(iv));
    let room = buffer.len();
    let mut padded = PaddedMessage { buffer, length };
    key.less_safe_encrypt(&mut padded, context)?;
    if padded.length == room { Ok(()) } else { Err(CryptoError) }
}

/// Decrypts `buffer` in place. Returns the content without its padding.
pub(crate) fn aes_256_cbc_decrypt<'a>(
    key: &[u8; AES_256_KEY_LENGTH],
    iv: &[u8; AES_BLOCK_LENGTH],
    buffer: &'a mut [u8],
) -> Result<&'a [u8], CryptoError> {
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(aes_256(key)?)?;
    Ok(key.decrypt(buffer, DecryptionContext::Iv128(FixedLength::from(iv)))?)
}

#[cfg(feature = "simulator")]
pub(super) fn key_pair(
    pkcs8: &[u8],
    _: &api::rand::SystemRandom,
) -> Result<signature::EcdsaKeyPair, CryptoError> {
    Ok(signature::EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P384_SHA384_FIXED_SIGNING, pkcs8)?)
}
