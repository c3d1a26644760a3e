//! Lengths of keys, blocks and seeds.

/// Length of an AES-256 key, in bytes.
pub const AES_256_KEY_LENGTH: usize = 32;

/// Length of an AES block and of a CBC initialisation vector, in bytes.
pub const AES_BLOCK_LENGTH: usize = 16;

/// Length of an OAEP seed, in bytes: the length of a SHA-256 digest (RFC 8017 section 7.1.1).
pub const OAEP_SEED_LENGTH: usize = 32;

/// Length of an uncompressed P-256 point, in bytes.
pub const P256_POINT_LENGTH: usize = 65;

/// Length of an ES256 signature, in bytes: r and s, 32 each (RFC 9053 section 2.1).
pub const ES256_SIGNATURE_LENGTH: usize = 64;
