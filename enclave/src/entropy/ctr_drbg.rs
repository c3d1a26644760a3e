//! CTR_DRBG with AES-256 and a derivation function (NIST SP 800-90A Rev. 1, section 10.2.1). Names follow
//! the standard.
//!
//! No maintained crate provides this construction:
//!
//! - The CTR_DRBG of AWS-LC and of BoringSSL has no derivation function and no public interface.
//! - RustCrypto has no CTR_DRBG.
//! - OpenSSL and Mbed TLS would add a second C library.
//!
//! The crypto provider implements the block cipher. NIST's test vectors check the output of this module.

use std::fmt;

use attestation::crypto::{AES_256_KEY_LENGTH, AES_BLOCK_LENGTH, Aes256, AesBlock};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

/// Length of the seed: a key and a block, in bytes (table 3).
const SEED_LENGTH: usize = AES_256_KEY_LENGTH + AES_BLOCK_LENGTH;

/// Minimum length of the entropy input, in bytes: the security strength of 256 bits (table 3).
const MIN_ENTROPY_INPUT_LENGTH: usize = 32;

/// Minimum length of a nonce, in bytes: half the security strength (section 8.6.7).
const MIN_NONCE_LENGTH: usize = 16;

/// Maximum length of one request, in bytes: 2^19 bits (table 3).
const MAX_REQUEST_LENGTH: usize = 1 << 16;

/// Maximum number of requests between two reseeds (table 3).
const RESEED_INTERVAL: u64 = 1 << 48;

/// Key of the derivation function: 0x00, 0x01, … 0x1f (section 10.3.2, step 8).
const DERIVATION_KEY: [u8; AES_256_KEY_LENGTH] = {
    let mut key = [0; AES_256_KEY_LENGTH];
    let (mut index, mut byte) = (0, 0);
    while index < key.len() {
        #[expect(clippy::indexing_slicing, reason = "the loop ends before the array")]
        {
            key[index] = byte;
        }
        index += 1;
        byte += 1;
    }
    key
};

type SeedMaterial = Zeroizing<[u8; SEED_LENGTH]>;

/// The reason why a DRBG rejects an operation.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum DrbgError {
    /// The entropy input is shorter than the security strength.
    #[error(
        "a DRBG needs at least {MIN_ENTROPY_INPUT_LENGTH} bytes of entropy input, not {length}"
    )]
    EntropyInput {
        /// Length of the entropy input, in bytes.
        length: usize,
    },
    /// The nonce is too short.
    #[error("a DRBG needs a nonce of at least {MIN_NONCE_LENGTH} bytes, not {length}")]
    Nonce {
        /// Length of the nonce, in bytes.
        length: usize,
    },
    /// The request exceeds the maximum length.
    #[error("a DRBG generates at most {MAX_REQUEST_LENGTH} bytes per request, not {length}")]
    RequestTooLong {
        /// Requested length, in bytes.
        length: usize,
    },
    /// The DRBG must be reseeded before the next request.
    #[error("the DRBG must be reseeded before its next request")]
    ReseedRequired,
}

/// A DRBG instance. Its working state is zeroized on drop and hidden from Debug.
pub(crate) struct CtrDrbg {
    /// AES-256 with the key Key.
    cipher: Aes256,
    v: Zeroizing<AesBlock>,
    reseed_counter: u64,
    derivation: Aes256,
}

impl CtrDrbg {
    /// Instantiates a DRBG: CTR_DRBG_Instantiate_algorithm (section 10.2.1.3.2).
    pub(crate) fn instantiate(
        entropy_input: &[u8],
        nonce: &[u8],
        personalization_string: &[u8],
    ) -> Result<Self, DrbgError> {
        check_entropy_input(entropy_input)?;
        if nonce.len() < MIN_NONCE_LENGTH {
            return Err(DrbgError::Nonce { length: nonce.len() });
        }
        let mut this = Self {
            // Steps 3 and 4: Key and V are zero.
            cipher: Aes256::new(&[0; AES_256_KEY_LENGTH]),
            v: Zeroizing::new([0; AES_BLOCK_LENGTH]),
            reseed_counter: 1,
            derivation: Aes256::new(&DERIVATION_KEY),
        };
        // Steps 1 and 2.
        let mut seed_material = Zeroizing::new([0; SEED_LENGTH]);
        this.derive(&[entropy_input, nonce, personalization_string], &mut seed_material);
        this.update(&seed_material);
        Ok(this)
    }

    /// Reseeds the DRBG: CTR_DRBG_Reseed_algorithm (section 10.2.1.4.2). The parts of the additional input
    /// are concatenated.
    pub(crate) fn reseed(
        &mut self,
        entropy_input: &[u8],
        additional_input: [&[u8]; 2],
    ) -> Result<(), DrbgError> {
        check_entropy_input(entropy_input)?;
        let [first, second] = additional_input;
        let mut seed_material = Zeroizing::new([0; SEED_LENGTH]);
        self.derive(&[entropy_input, first, second], &mut seed_material);
        self.update(&seed_material);
        self.reseed_counter = 1;
        Ok(())
    }

    /// Fills `out`: CTR_DRBG_Generate_algorithm (section 10.2.1.5.2). The additional input may be empty. On
    /// an error, `out` is all zeros.
    pub(crate) fn generate(
        &mut self,
        out: &mut [u8],
        additional_input: &[u8],
    ) -> Result<(), DrbgError> {
        out.zeroize();
        if out.len() > MAX_REQUEST_LENGTH {
            return Err(DrbgError::RequestTooLong { length: out.len() });
        }
        // Step 1.
        if self.reseed_counter > RESEED_INTERVAL {
            return Err(DrbgError::ReseedRequired);
        }
        // Step 2.
        let mut additional = Zeroizing::new([0; SEED_LENGTH]);
        if !additional_input.is_empty() {
            self.derive(&[additional_input], &mut additional);
            self.update(&additional);
        }
        // Steps 3 to 5.
        let (blocks, rest) = out.as_chunks_mut();
        self.next_blocks(blocks);
        if !rest.is_empty() {
            let mut block = Zeroizing::new([[0; AES_BLOCK_LENGTH]]);
            self.next_blocks(&mut *block);
            rest.iter_mut().zip(block.as_flattened()).for_each(|(byte, next)| *byte = *next);
        }
        // Step 6: the new state does not reveal the bytes generated above.
        self.update(&additional);
        // Step 7.
        self.reseed_counter += 1;
        Ok(())
    }

    /// Returns the number of generate calls since the last reseed.
    pub(crate) fn generate_calls_since_reseed(&self) -> u64 {
        self.reseed_counter - 1
    }

    /// Encrypts counter blocks. For each block: V = (V + 1) mod 2^128; Block_Encrypt(Key, V).
    fn next_blocks(&mut self, blocks: &mut [AesBlock]) {
        self.cipher.encrypt_counter_blocks(&mut self.v, blocks);
    }

    /// Updates Key and V: CTR_DRBG_Update (section 10.2.1.2).
    fn update(&mut self, provided_data: &SeedMaterial) {
        let mut temp = Zeroizing::new([0; SEED_LENGTH]);
        self.next_blocks(temp.as_chunks_mut().0);
        xor(&mut *temp, &**provided_data);
        self.set(&temp);
    }

    /// Sets Key to the leftmost bytes of `seed`, and V to the remaining bytes.
    fn set(&mut self, seed: &SeedMaterial) {
        if let Some((key, v)) = seed.split_first_chunk() {
            self.cipher = Aes256::new(key);
            self.v.copy_from_slice(v);
        }
    }

    /// Derives a seed from the concatenated parts of `input`: Block_Cipher_df (section 10.3.2).
    fn derive(&self, input: &[&[u8]], seed: &mut SeedMaterial) {
        // Steps 1 to 4: S = L || N || input || 0x80 || zeros.
        let length: usize = input.iter().map(|part| part.len()).sum();
        let length = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
        let mut chains = BccChains::new(&self.derivation);
        chains.absorb(&length);
        chains.absorb(&SEED_LENGTH_FIELD);
        input.iter().for_each(|part| chains.absorb(part));
        chains.absorb(&[0x80]);
        let temp = chains.finish();
        // Steps 10 to 15: K is the leftmost 32 bytes of `temp`, and X is the next 16 bytes. The step X =
        // Block_Encrypt(K, X) is repeated until the seed is full.
        if let Some((key, x)) = temp.split_first_chunk()
            && let Some(x) = x.first_chunk()
        {
            Aes256::new(key).encrypt_output_feedback(x, seed.as_chunks_mut().0);
        }
    }
}

/// The value N of the derivation function: the length of the output, in bytes.
const SEED_LENGTH_FIELD: [u8; 4] = [0, 0, 0, 48];
const _: () = assert!(SEED_LENGTH == 48);

/// Steps 5 to 9 of the derivation function: three BCC chains (section 10.3.3). Their inputs are IV || S for
/// the IVs 0, 1 and 2.
struct BccChains<'a> {
    cipher: &'a Aes256,
    values: Zeroizing<[AesBlock; 3]>,
    /// Bytes of S that are not yet chained, padded with zeros. `filled` is the number of bytes without the
    /// padding.
    input: Zeroizing<[AesBlock; INPUT_BLOCKS]>,
    filled: usize,
}

/// Number of blocks of S that are chained at once. The input of a reseed, the most frequent operation, fits
/// into this number of blocks.
const INPUT_BLOCKS: usize = 24;

impl<'a> BccChains<'a> {
    fn new(cipher: &'a Aes256) -> Self {
        // The first chaining value is zero. The XOR of zero and an IV is the IV itself.
        let mut values = Zeroizing::new([[0; AES_BLOCK_LENGTH]; 3]);
        for (value, number) in values.iter_mut().zip(0_u32..) {
            let [first, second, third, fourth, ..] = value;
            let iv = number.to_be_bytes();
            [first, second, third, fourth].into_iter().zip(iv).for_each(|(byte, iv)| *byte = iv);
        }
        cipher.chain_blocks(&mut values, &[[0; AES_BLOCK_LENGTH]]);
        let input = Zeroizing::new([[0; AES_BLOCK_LENGTH]; INPUT_BLOCKS]);
        Self { cipher, values, input, filled: 0 }
    }

    fn absorb(&mut self, mut input: &[u8]) {
        while !input.is_empty() {
            let room = self.input.as_flattened_mut().get_mut(self.filled..).unwrap_or_default();
            let (now, later) = input.split_at(room.len().min(input.len()));
            room.iter_mut().zip(now).for_each(|(byte, input)| *byte = *input);
            self.filled += now.len();
            input = later;
            if self.filled == INPUT_BLOCKS * AES_BLOCK_LENGTH {
                self.chain();
            }
        }
    }

    fn chain(&mut self) {
        let blocks = self.input.get(..self.filled.div_ceil(AES_BLOCK_LENGTH));
        self.cipher.chain_blocks(&mut self.values, blocks.unwrap_or_default());
        *self.input = [[0; AES_BLOCK_LENGTH]; INPUT_BLOCKS];
        self.filled = 0;
    }

    /// Chains the last block, padded with zeros, and returns the chaining values.
    fn finish(&mut self) -> &[u8] {
        if self.filled > 0 {
            self.chain();
        }
        self.values.as_flattened()
    }
}

fn xor(into: &mut [u8], with: &[u8]) {
    into.iter_mut().zip(with).for_each(|(byte, with)| *byte ^= with);
}

fn check_entropy_input(entropy_input: &[u8]) -> Result<(), DrbgError> {
    match entropy_input.len() {
        length @ ..MIN_ENTROPY_INPUT_LENGTH => Err(DrbgError::EntropyInput { length }),
        _ => Ok(()),
    }
}

impl fmt::Debug for CtrDrbg {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CtrDrbg(..)")
    }
}

#[cfg(test)]
#[path = "ctr_drbg_tests.rs"]
mod tests;
