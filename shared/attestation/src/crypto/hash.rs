//! SHA-256, SHA-384 and HMAC-SHA-256 for data that may be secret.
//!
//! States and authentication codes are wiped. The stack that a computation used is not wiped. The same
//! implementation is used with both providers, because *ring* does not wipe the key of an HMAC.

use hmac::digest::CtOutput;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Digest;
use zeroize::Zeroizing;

/// Length of a SHA-256 digest, and of an HMAC-SHA-256 code, in bytes.
pub const SHA_256_LENGTH: usize = 32;

/// An incremental SHA-256. Its state is wiped.
#[derive(Debug, Default)]
pub struct Sha256(sha2::Sha256);

impl Sha256 {
    /// Creates the state of an empty message.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the digest of `bytes`.
    pub fn digest(bytes: &[u8]) -> [u8; SHA_256_LENGTH] {
        sha2::Sha256::digest(bytes).into()
    }

    /// Appends `bytes` to the message.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the digest of the message.
    pub fn finish(self) -> [u8; SHA_256_LENGTH] {
        self.0.finalize().into()
    }
}

/// Length of a SHA-384 digest, in bytes.
pub const SHA_384_LENGTH: usize = 48;

/// An incremental SHA-384. Its state is wiped.
#[derive(Debug, Default)]
pub struct Sha384(sha2::Sha384);

impl Sha384 {
    /// Creates the state of an empty message.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the digest of `bytes`.
    pub fn digest(bytes: &[u8]) -> [u8; SHA_384_LENGTH] {
        sha2::Sha384::digest(bytes).into()
    }

    /// Appends `bytes` to the message.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the digest of the message.
    pub fn finish(self) -> [u8; SHA_384_LENGTH] {
        self.0.finalize().into()
    }
}

/// An incremental HMAC-SHA-256 (RFC 2104). Its state is wiped.
#[derive(Debug)]
pub struct HmacSha256(Hmac<sha2::Sha256>);

impl HmacSha256 {
    /// Creates the state of an empty message with a key of any length.
    pub fn new(key: &[u8]) -> Self {
        #[expect(clippy::expect_used, reason = "RFC 2104 allows keys of any length")]
        Self(Hmac::new_from_slice(key).expect("HMAC accepts keys of any length"))
    }

    /// Appends `bytes` to the message.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the authentication code of the message, which may be used as a key.
    pub fn finish(self) -> Zeroizing<[u8; SHA_256_LENGTH]> {
        let mut code = Zeroizing::new([0; SHA_256_LENGTH]);
        code.copy_from_slice(self.0.finalize().as_bytes());
        code
    }

    /// Returns whether `code` is the authentication code of the message, in constant time.
    pub fn verify(self, code: &[u8; SHA_256_LENGTH]) -> bool {
        self.0.verify(code.into()).is_ok()
    }
}

/// Returns whether two secrets are equal. The duration depends only on their lengths.
pub fn constant_time_eq(one: &[u8], other: &[u8]) -> bool {
    let digest = |secret| CtOutput::<sha2::Sha256>::new(sha2::Sha256::digest(secret));
    digest(one) == digest(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_matches_fips_180_examples() {
        // NIST's example of one block.
        let expected = [
            0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae,
            0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61,
            0xf2, 0x00, 0x15, 0xad,
        ];
        let mut hash = Sha256::new();
        hash.update(b"a");
        hash.update(b"bc");
        assert_eq!((hash.finish(), Sha256::digest(b"abc")), (expected, expected));
    }

    #[test]
    fn sha384_matches_fips_180_example() {
        // NIST's example of one block.
        let expected = [
            0xcb, 0x00, 0x75, 0x3f, 0x45, 0xa3, 0x5e, 0x8b, 0xb5, 0xa0, 0x3d, 0x69, 0x9a, 0xc6,
            0x50, 0x07, 0x27, 0x2c, 0x32, 0xab, 0x0e, 0xde, 0xd1, 0x63, 0x1a, 0x8b, 0x60, 0x5a,
            0x43, 0xff, 0x5b, 0xed, 0x80, 0x86, 0x07, 0x2b, 0xa1, 0xe7, 0xcc, 0x23, 0x58, 0xba,
            0xec, 0xa1, 0x34, 0xc8, 0x25, 0xa7,
        ];
        let mut hash = Sha384::new();
        hash.update(b"a");
        hash.update(b"bc");
        assert_eq!((hash.finish(), Sha384::digest(b"abc")), (expected, expected));
    }

    #[test]
    fn hmac_matches_rfc_4231_vectors() {
        // Test case 2.
        let code = [
            0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24, 0x26, 0x08, 0x95,
            0x75, 0xc7, 0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27, 0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9,
            0x64, 0xec, 0x38, 0x43,
        ];
        let hmac = |message: &[u8]| {
            let mut hmac = HmacSha256::new(b"Jefe");
            hmac.update(b"what do ya want ");
            hmac.update(message);
            hmac
        };
        assert_eq!(*hmac(b"for nothing?").finish(), code);
        assert!(hmac(b"for nothing?").verify(&code));
        assert!(!hmac(b"for something?").verify(&code));
        for index in 0..code.len() {
            let mut other = code;
            other[index] ^= 1;
            assert!(!hmac(b"for nothing?").verify(&other), "byte {index}");
        }
    }

    #[test]
    fn constant_time_eq_compares_all_bytes() {
        assert!(constant_time_eq(b"", b"") && constant_time_eq(b"token", b"token"));
        for other in ["", "toke", "tokeN", "Token", "token1"] {
            assert!(!constant_time_eq(b"token", other.as_bytes()), "{other}");
        }
    }
}
