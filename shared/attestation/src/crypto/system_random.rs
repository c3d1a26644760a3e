//! The provider's source of randomness, with the traits that the crate `rsa` requires.

use rsa::rand_core::{TryCryptoRng, TryRng};

use super::{CryptoError, fill_random};

/// The provider's source of randomness.
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
