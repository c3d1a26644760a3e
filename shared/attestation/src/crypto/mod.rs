//! The one place that names a crypto provider: `aws-lc-rs` by default, `ring` (with `rsa`, `aes`
//! and `cbc` for what it lacks) as the alternative. With both features on, aws-lc-rs serves. What
//! is hashed under a secret is hashed by `sha2` and `hmac` with either, which wipe their state.

#[cfg(feature = "aws-lc-rs")]
mod aws_lc_rs;
#[cfg(feature = "aws-lc-rs")]
use aws_lc_rs as provider;

#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
mod ring;
#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
use ring as provider;

mod aes_block;
#[cfg(feature = "simulator")]
mod bare;
mod hash;
#[cfg(feature = "simulator")]
mod operations;
mod ring_api;
mod tls;

#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
compile_error!(
    "the crate `attestation` needs a crypto provider: turn on the feature `aws-lc-rs` or `ring`"
);

use rsa::rand_core::{TryCryptoRng, TryRng};
use thiserror::Error;

/// Which library computes.
pub const PROVIDER: &str = provider::NAME;

/// Whether OAEP takes its seed from the caller. AWS-LC takes none: it draws it from its own DRBG.
pub const TAKES_OAEP_SEED: bool = provider::TAKES_OAEP_SEED;

/// Bytes of OAEP's seed: as many as SHA-256 gives (RFC 8017 section 7.1.1).
pub const OAEP_SEED_LENGTH: usize = 32;

pub use aes_block::{Aes256, AesBlock};
#[cfg(feature = "simulator")]
pub use bare::BareArithmetic;
pub use hash::{HmacSha256, SHA_256_LENGTH, SHA_384_LENGTH, Sha256, Sha384, constant_time_eq};
#[cfg(feature = "simulator")]
pub use operations::Operations;
pub(crate) use provider::ECDSA_P256_SHA256;
pub(crate) use provider::{aes_256_cbc_decrypt, aes_256_cbc_encrypt};
#[cfg(feature = "simulator")]
pub use ring_api::SigningKey;
pub use ring_api::fill_random;
pub use tls::{generate_tls_key, load_tls_key, tls_provider, tls_ticketer};

/// ecdsa-with-SHA384 over P-384 keys, as certificates use it.
#[cfg(not(feature = "simulator"))]
pub(crate) use provider::ECDSA_P384_SHA384;
/// ecdsa-with-SHA384 over P-384 keys, as certificates use it.
#[cfg(feature = "simulator")]
pub(crate) const ECDSA_P384_SHA384: &dyn rustls_pki_types::SignatureVerificationAlgorithm =
    &operations::CountedEcdsaP384Sha384;

/// Verifies an ES384 signature (r and s, 48 bytes each) by an uncompressed P-384 point over
/// `message`, the parts of which are one after the other and not yet hashed.
///
/// # Errors
/// If the signature or the point is not valid. Both forms of s are: AWS does not normalise it.
pub(crate) fn verify_es384(
    public_key: &[u8],
    message: &[&[u8]],
    signature: &[u8],
) -> Result<(), CryptoError> {
    #[cfg(feature = "simulator")]
    operations::count_signature_verification();
    provider::verify_es384(public_key, message, signature)
}

/// An RSA key to encrypt to with OAEP (SHA-256, MGF1 with SHA-256, no label).
pub(crate) struct OaepPublicKey(provider::OaepPublicKey);

impl OaepPublicKey {
    /// From a SubjectPublicKeyInfo, DER.
    ///
    /// # Errors
    /// If the provider refuses the key.
    pub(crate) fn from_spki(spki: &[u8]) -> Result<Self, CryptoError> {
        #[cfg(feature = "simulator")]
        operations::count_rsa_key();
        provider::OaepPublicKey::from_spki(spki).map(Self)
    }

    /// Encrypts into `output`, which is as long as the modulus, with `seed` if the provider takes
    /// one ([`TAKES_OAEP_SEED`]).
    ///
    /// # Errors
    /// If the plaintext is too long, or the provider's own source of randomness fails.
    pub(crate) fn encrypt(
        &self,
        plaintext: &[u8],
        seed: &[u8; OAEP_SEED_LENGTH],
        output: &mut [u8],
    ) -> Result<(), CryptoError> {
        self.0.encrypt(plaintext, seed, output)
    }
}

/// Bytes of an AES-256 key.
pub const AES_256_KEY_LENGTH: usize = 32;

/// Bytes of an AES block, and of CBC's initialisation vector.
pub const AES_BLOCK_LENGTH: usize = 16;

/// A cryptographic operation failed; by design it does not say why.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the cryptographic operation failed")]
pub struct CryptoError;

/// The provider's source of randomness, for crates that draw from a generator.
pub(crate) struct SystemRandom;

impl TryRng for SystemRandom {
    type Error = CryptoError;

    fn try_next_u32(&mut self) -> Result<u32, CryptoError> {
        let mut bytes = [0; 4];
        fill_random(&mut bytes)?;
        Ok(u32::from_ne_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, CryptoError> {
        let mut bytes = [0; 8];
        fill_random(&mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, buffer: &mut [u8]) -> Result<(), CryptoError> {
        fill_random(buffer)
    }
}

impl TryCryptoRng for SystemRandom {}

#[cfg(test)]
mod wycheproof_tests;
