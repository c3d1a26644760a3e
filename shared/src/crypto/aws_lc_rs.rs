//! The provider `aws-lc-rs`.

use aws_lc_rs::cipher::{
    AES_256, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey,
    PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use aws_lc_rs::signature::{self, UnparsedPublicKey};
use rustls_pki_types::SignatureVerificationAlgorithm;

use super::{AES_256_KEY_LENGTH, AES_BLOCK_LENGTH, CryptoError};

pub(super) const NAME: &str = "aws-lc-rs";

pub(crate) const ECDSA_P384_SHA384: &dyn SignatureVerificationAlgorithm =
    webpki::aws_lc_rs::ECDSA_P384_SHA384;

impl From<aws_lc_rs::error::Unspecified> for CryptoError {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self
    }
}

impl From<aws_lc_rs::error::KeyRejected> for CryptoError {
    fn from(_: aws_lc_rs::error::KeyRejected) -> Self {
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
    Ok(aws_lc_rs::rand::fill(buffer)?)
}

/// An RSA key to encrypt to with OAEP (SHA-256, MGF1 with SHA-256, no label).
pub(crate) struct OaepPublicKey(OaepPublicEncryptingKey);

impl OaepPublicKey {
    pub(crate) fn from_spki(spki: &[u8]) -> Result<Self, CryptoError> {
        Ok(Self(OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(spki)?)?))
    }

    /// Encrypts into `output`, which is as long as the modulus. The seed is drawn from AWS-LC's
    /// own DRBG, which takes none from outside.
    pub(crate) fn encrypt(&self, plaintext: &[u8], output: &mut [u8]) -> Result<(), CryptoError> {
        let length = output.len();
        let written = self.0.encrypt(&OAEP_SHA256_MGF1SHA256, plaintext, output, None)?.len();
        if written == length { Ok(()) } else { Err(CryptoError) }
    }
}

fn aes_256(key: &[u8; AES_256_KEY_LENGTH]) -> Result<UnboundCipherKey, CryptoError> {
    Ok(UnboundCipherKey::new(&AES_256, key)?)
}

/// The end of a vector, as the provider's in-place interface wants it.
struct Tail<'a> {
    buffer: &'a mut Vec<u8>,
    from: usize,
}

impl AsMut<[u8]> for Tail<'_> {
    fn as_mut(&mut self) -> &mut [u8] {
        self.buffer.get_mut(self.from..).unwrap_or_default()
    }
}

impl<'b> Extend<&'b u8> for Tail<'_> {
    fn extend<I: IntoIterator<Item = &'b u8>>(&mut self, bytes: I) {
        self.buffer.extend(bytes);
    }
}

/// Pads (PKCS#7) and encrypts all of `buffer` after the first `from` bytes, in place.
pub(crate) fn aes_256_cbc_encrypt(
    key: &[u8; AES_256_KEY_LENGTH],
    iv: &[u8; AES_BLOCK_LENGTH],
    buffer: &mut Vec<u8>,
    from: usize,
) -> Result<(), CryptoError> {
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(aes_256(key)?)?;
    let context = EncryptionContext::Iv128(FixedLength::from(iv));
    key.less_safe_encrypt(&mut Tail { buffer, from }, context)?;
    Ok(())
}

/// Decrypts `buffer` in place and removes the padding.
pub(crate) fn aes_256_cbc_decrypt<'a>(
    key: &[u8; AES_256_KEY_LENGTH],
    iv: &[u8; AES_BLOCK_LENGTH],
    buffer: &'a mut [u8],
) -> Result<&'a [u8], CryptoError> {
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(aes_256(key)?)?;
    Ok(key.decrypt(buffer, DecryptionContext::Iv128(FixedLength::from(iv)))?)
}

/// A P-384 key that signs with ES384.
#[cfg(feature = "simulator")]
pub(crate) struct SigningKey {
    pair: signature::EcdsaKeyPair,
    random: aws_lc_rs::rand::SystemRandom,
}

#[cfg(feature = "simulator")]
impl SigningKey {
    /// A new key in PKCS#8, DER.
    pub(crate) fn generate_pkcs8() -> Result<zeroize::Zeroizing<Vec<u8>>, CryptoError> {
        let random = aws_lc_rs::rand::SystemRandom::new();
        let algorithm = &signature::ECDSA_P384_SHA384_FIXED_SIGNING;
        let key = signature::EcdsaKeyPair::generate_pkcs8(algorithm, &random)?;
        Ok(zeroize::Zeroizing::new(key.as_ref().to_vec()))
    }

    pub(crate) fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, CryptoError> {
        let algorithm = &signature::ECDSA_P384_SHA384_FIXED_SIGNING;
        Ok(Self {
            pair: signature::EcdsaKeyPair::from_pkcs8(algorithm, pkcs8)?,
            random: aws_lc_rs::rand::SystemRandom::new(),
        })
    }

    /// The public key as an uncompressed point.
    pub(crate) fn public_key(&self) -> &[u8] {
        use aws_lc_rs::signature::KeyPair;
        self.pair.public_key().as_ref()
    }

    /// Signs `message`: r and s, 48 bytes each.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Ok(self.pair.sign(&self.random, message)?.as_ref().to_vec())
    }
}
