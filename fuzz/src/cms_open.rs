//! The opener of `CiphertextForRecipient`: any bytes, with a key that some of them are sealed to.

use attestation::cms::open;

use crate::fixture;

/// Bytes of the shortest envelope, in DER, that are not its encrypted content: the outer layers to the
/// version, the recipient with an RSA-2048 key, and the header, type, algorithm and tag of the content.
const LEAST: usize = (4 + 11 + 4 + 4 + 3) + (111 + 256) + (2 + 42 + 2);

/// What opens holds at least one byte of padding besides the content.
pub fn run(data: &[u8]) {
    let opened = open(data, fixture::recipient());
    // CBC is not authenticated, so a change of the ciphertext may open to other content.
    if let Ok(content) = opened {
        assert!(content.len() + LEAST < data.len());
        assert_eq!(open(data, fixture::recipient()).as_deref(), Ok(&*content), "once more");
    }
}
