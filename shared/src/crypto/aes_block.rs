//! AES-256 as a block cipher, for a DRBG. One implementation serves whichever the provider is: none
//! gives single blocks without a context on the heap for each key.

use std::fmt;

use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};

use super::{AES_256_KEY_LENGTH, AES_BLOCK_LENGTH};

/// One block.
pub type AesBlock = [u8; AES_BLOCK_LENGTH];

/// AES-256 under one key, to encrypt with. The key schedule is wiped on drop.
pub struct Aes256(aes::Aes256Enc);

impl Aes256 {
    /// Under `key`; the caller wipes its own copy.
    pub fn new(key: &[u8; AES_256_KEY_LENGTH]) -> Self {
        Self(aes::Aes256Enc::new(key.into()))
    }

    /// Encrypts one block in place.
    pub fn encrypt(&self, block: &mut AesBlock) {
        self.0.encrypt_block(block.into());
    }

    /// Encrypts each of three blocks in place, which takes hardly longer than one.
    pub fn encrypt_three(&self, blocks: &mut [AesBlock; 3]) {
        self.0.encrypt_blocks(Array::cast_slice_from_core_mut(blocks));
    }
}

impl fmt::Debug for Aes256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Aes256(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 197, appendix C.3.
    #[test]
    fn encrypts_as_fips_197_has_it() {
        let mut key = [0; AES_256_KEY_LENGTH];
        key.iter_mut().zip(0_u8..).for_each(|(byte, n)| *byte = n);
        let mut block = [0; AES_BLOCK_LENGTH];
        block.iter_mut().zip(0_u8..).for_each(|(byte, n)| *byte = n * 0x11);
        let mut blocks = [block; 3];
        let cipher = Aes256::new(&key);
        cipher.encrypt(&mut block);
        cipher.encrypt_three(&mut blocks);
        let expected = [
            0x8e, 0xa2, 0xb7, 0xca, 0x51, 0x67, 0x45, 0xbf, 0xea, 0xfc, 0x49, 0x90, 0x4b, 0x49,
            0x60, 0x89,
        ];
        assert_eq!((block, blocks), (expected, [expected; 3]));
    }
}
