//! The target for envelopes: arbitrary bytes as a `CiphertextForRecipient`. Some saved inputs are
//! sealed to the fixture's key, so their decryption succeeds.

use attestation::cms::open;

use crate::fixture;

/// Minimum length of an envelope in DER without the encrypted content, in bytes. The terms are the outer
/// layers up to the version, the recipient with an RSA-2048 key, and the header, type, algorithm and tag
/// of the content.
const LEAST: usize = (4 + 11 + 4 + 4 + 3) + (111 + 256) + (2 + 42 + 2);

/// Checks that decrypted content is shorter than its envelope by at least one byte of padding.
pub fn run(data: &[u8]) {
    let opened = open(data, fixture::recipient());
    // CBC does not authenticate the ciphertext, so a changed ciphertext can decrypt to other
    // content.
    if let Ok(content) = opened {
        assert!(content.len() + LEAST < data.len());
        assert_eq!(open(data, fixture::recipient()).as_deref(), Ok(&*content), "once more");
    }
}
