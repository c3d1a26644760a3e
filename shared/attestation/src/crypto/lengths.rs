//! Lengths of keys, blocks and seeds.

/// Length of an AES-256 key, in bytes.
pub const AES_256_KEY_LENGTH: usize = 32;

/// Length of an AES block, and of the initialisation vector of CBC, in bytes.
pub const AES_BLOCK_LENGTH: usize = 16;

/// Length of the seed of OAEP, in bytes: that of a SHA-256 digest (RFC 8017 section 7.1.1).
pub const OAEP_SEED_LENGTH: usize = 32;
