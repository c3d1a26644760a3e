//! Decryption of `CiphertextForRecipient`: arbitrary bytes, with a key that some of the inputs are
//! sealed to.

use attestation::cms::open;

use crate::fixture;

/// Minimum length of an envelope without its encrypted content, in DER: the outer layers up to the
/// version, the recipient with an RSA-2048 key, and the header, type, algorithm and tag of the content.
const LEAST: usize = (4 + 11 + 4 + 4 + 3) + (111 + 256) + (2 + 42 + 2);

/// Checks that decrypted content is shorter than its envelope by at least one byte of padding.
pub fn run(data: &[u8]) {
    let opened = open(data, fixture::recipient());
    // CBC is not authenticated, so a changed ciphertext can decrypt to other content.
    if let Ok(content) = opened {
        assert!(content.len() + LEAST < data.len());
        assert_eq!(open(data, fixture::recipient()).as_deref(), Ok(&*content), "once more");
    }
}
