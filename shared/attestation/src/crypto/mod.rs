//! Cryptographic operations. Only this module uses a crypto provider directly.
//!
//! The provider is `aws-lc-rs` by default. The alternative is `ring`, with `rsa`, `aes` and `cbc` for
//! operations that it does not have. With both features, aws-lc-rs is the provider. Secret data is hashed
//! by `sha2` and `hmac` with both providers, because these crates wipe their state.

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
mod bench_primitives;
mod error;
mod es256;
mod es384;
mod hash;
mod lengths;
mod oaep;
#[cfg(feature = "simulator")]
mod operation_counts;
mod ring_api;
mod system_random;
#[cfg(test)]
mod wycheproof_tests;

#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
compile_error!(
    "the crate `attestation` needs a crypto provider: turn on the feature `aws-lc-rs` or `ring`"
);

pub use aes_block::{Aes256, AesBlock};
#[cfg(feature = "simulator")]
pub use bench_primitives::BenchPrimitives;
pub use error::CryptoError;
pub use es256::{Es256Key, has_low_s, is_p256_point, verify_es256};
pub(crate) use es384::{ECDSA_P384_SHA384, verify_es384};
pub use hash::{HmacSha256, SHA_256_LENGTH, SHA_384_LENGTH, Sha256, Sha384, constant_time_eq};
pub use lengths::{
    AES_256_KEY_LENGTH, AES_BLOCK_LENGTH, ES256_SIGNATURE_LENGTH, OAEP_SEED_LENGTH,
    P256_POINT_LENGTH,
};
pub(crate) use oaep::OaepPublicKey;
#[cfg(feature = "simulator")]
pub use operation_counts::OperationCounts;
pub(crate) use provider::ECDSA_P256_SHA256;
pub(crate) use provider::{aes_256_cbc_decrypt, aes_256_cbc_encrypt};
#[cfg(feature = "simulator")]
pub use ring_api::SigningKey;
pub use ring_api::{fill_random, generate_p256_key};
pub(crate) use system_random::SystemRandom;

/// The name of the provider.
pub const PROVIDER: &str = provider::NAME;

/// True if OAEP uses a seed from the caller. False for AWS-LC, which draws the seed from its own DRBG.
pub const ACCEPTS_OAEP_SEED: bool = provider::ACCEPTS_OAEP_SEED;
