//! The digest of a content key. A receipt contains the digest, so that the recipient can later disclose the key.

use crate::crypto::{AES_256_KEY_LENGTH, SHA_256_LENGTH, Sha256};

/// The bytes before the content key in the input of the digest.
const CONTEXT: &[u8] = b"attested-random content key v1";

/// Returns the digest of a content key, which a receipt contains as `cek`: SHA-256(`attested-random content key v1` ‖
/// key).
pub fn content_key_digest(key: &[u8; AES_256_KEY_LENGTH]) -> [u8; SHA_256_LENGTH] {
    let mut digest = Sha256::new();
    digest.update(CONTEXT);
    digest.update(key);
    digest.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_key_digest_is_sha_256_of_context_and_key() {
        let input = [b"attested-random content key v1", &[7; 32][..]].concat();
        assert_eq!(content_key_digest(&[7; 32]), Sha256::digest(&input));
    }
}
