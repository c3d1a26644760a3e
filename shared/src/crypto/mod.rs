//! The one place that names a crypto provider: `aws-lc-rs` by default, `ring` (with `rsa`, `aes`
//! and `cbc` for what it lacks) as the alternative. With both features on, aws-lc-rs serves.

#[cfg(feature = "aws-lc-rs")]
mod aws_lc_rs;
#[cfg(feature = "aws-lc-rs")]
use aws_lc_rs as provider;

#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
mod ring;
#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
use ring as provider;

mod ring_api;

#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
compile_error!("`attestation` needs a crypto provider: turn on the feature `aws-lc-rs` or `ring`");

use rsa::rand_core::{TryCryptoRng, TryRng};
use thiserror::Error;

/// Which library computes.
pub const PROVIDER: &str = provider::NAME;

/// ecdsa-with-SHA384 over P-384 keys, as certificates use it.
pub(crate) use provider::ECDSA_P384_SHA384;
pub(crate) use provider::OaepPublicKey;
pub(crate) use provider::{aes_256_cbc_decrypt, aes_256_cbc_encrypt};
#[cfg(feature = "simulator")]
pub(crate) use ring_api::SigningKey;
pub use ring_api::fill_random;
pub(crate) use ring_api::verify_es384;

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
