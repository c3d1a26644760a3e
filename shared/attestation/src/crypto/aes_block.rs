//! AES-256 as a block cipher, for a DRBG.
//!
//! The same implementation is used with both providers, because neither encrypts single blocks without a heap
//! allocation for each key.

use std::fmt;

use aes::cipher::consts::U16;
use aes::cipher::{
    Array, BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, KeyInit,
};

use super::{AES_256_KEY_LENGTH, AES_BLOCK_LENGTH};

/// A block of AES.
pub type AesBlock = [u8; AES_BLOCK_LENGTH];

/// An AES-256 encryption key. The key schedule is wiped on drop.
pub struct Aes256(aes::Aes256Enc);

impl Aes256 {
    /// Creates the key schedule of `key`. The caller wipes its own copy.
    pub fn new(key: &[u8; AES_256_KEY_LENGTH]) -> Self {
        Self(aes::Aes256Enc::new(key.into()))
    }

    /// Encrypts one block in place.
    pub fn encrypt(&self, block: &mut AesBlock) {
        self.0.encrypt_block(block.into());
    }

    /// Encrypts `counter` plus 1, plus 2 and so on into the blocks of `out`. `counter` is left at the last
    /// value.
    pub fn encrypt_counter_blocks(&self, counter: &mut AesBlock, out: &mut [AesBlock]) {
        for block in &mut *out {
            *counter = u128::from_be_bytes(*counter).wrapping_add(1).to_be_bytes();
            *block = *counter;
        }
        self.0.encrypt_with_backend(EncryptEach(out));
    }

    /// Encrypts `block` into the first block of `out`, and each block of `out` into the next.
    pub fn encrypt_output_feedback(&self, block: &AesBlock, out: &mut [AesBlock]) {
        self.0.encrypt_with_backend(OutputFeedback { block, out });
    }

    /// Chains `blocks` onto each of three values: value = encrypt(value xor block).
    ///
    /// Three values take hardly longer than one, because the processor computes them in parallel.
    pub fn chain_blocks(&self, values: &mut [AesBlock; 3], blocks: &[AesBlock]) {
        self.0.encrypt_with_backend(BlockChaining { values, blocks });
    }
}

/// A closure that encrypts each block in place. The key schedule is loaded once for all blocks.
struct EncryptEach<'a>(&'a mut [AesBlock]);

/// A closure that encrypts each block into the next.
struct OutputFeedback<'a> {
    block: &'a AesBlock,
    out: &'a mut [AesBlock],
}

/// A closure that chains all blocks onto each value.
struct BlockChaining<'a> {
    values: &'a mut [AesBlock; 3],
    blocks: &'a [AesBlock],
}

impl BlockSizeUser for EncryptEach<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for EncryptEach<'_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        for block in self.0 {
            backend.encrypt_block(Array::cast_from_core_mut(block).into());
        }
    }
}

impl BlockSizeUser for OutputFeedback<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for OutputFeedback<'_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        let mut before = self.block;
        for block in self.out {
            *block = *before;
            backend.encrypt_block(Array::cast_from_core_mut(block).into());
            before = block;
        }
    }
}

impl BlockSizeUser for BlockChaining<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for BlockChaining<'_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        for block in self.blocks {
            for value in &mut *self.values {
                *value = (u128::from_ne_bytes(*value) ^ u128::from_ne_bytes(*block)).to_ne_bytes();
                backend.encrypt_block(Array::cast_from_core_mut(value).into());
            }
        }
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
    fn matches_fips_197_example() {
        let mut key = [0; AES_256_KEY_LENGTH];
        key.iter_mut().zip(0_u8..).for_each(|(byte, n)| *byte = n);
        let mut block = [0; AES_BLOCK_LENGTH];
        block.iter_mut().zip(0_u8..).for_each(|(byte, n)| *byte = n * 0x11);
        let (mut values, mut counted) = ([[0; AES_BLOCK_LENGTH]; 3], [[0; AES_BLOCK_LENGTH]; 2]);
        let cipher = Aes256::new(&key);
        cipher.chain_blocks(&mut values, &[block]);
        let mut counter = (u128::from_be_bytes(block) - 2).to_be_bytes();
        cipher.encrypt_counter_blocks(&mut counter, &mut counted);
        assert_eq!(counter, block);
        let mut fed_back = [[0; AES_BLOCK_LENGTH]; 2];
        cipher.encrypt_output_feedback(&block, &mut fed_back);
        cipher.encrypt(&mut block);
        let mut twice = block;
        cipher.encrypt(&mut twice);
        assert_eq!(fed_back, [block, twice]);
        let expected = [
            0x8e, 0xa2, 0xb7, 0xca, 0x51, 0x67, 0x45, 0xbf, 0xea, 0xfc, 0x49, 0x90, 0x4b, 0x49,
            0x60, 0x89,
        ];
        assert_eq!((block, values, counted[1]), (expected, [expected; 3], expected));
        assert_ne!(counted[0], expected);
        // Chaining two blocks in two calls equals chaining them in one call.
        let mut one = [[0; AES_BLOCK_LENGTH], [1; AES_BLOCK_LENGTH], [2; AES_BLOCK_LENGTH]];
        let mut both = one;
        cipher.chain_blocks(&mut one, &[counter]);
        cipher.chain_blocks(&mut one, &[expected]);
        cipher.chain_blocks(&mut both, &[counter, expected]);
        assert_eq!(one, both);
    }
}
