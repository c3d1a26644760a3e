//! The target for recipient keys: arbitrary bytes as the field `public_key`. The crate `rsa` must read
//! the same key from every accepted input, and the provider must seal to the key.

use std::convert::Infallible;

use attestation::cms::{ContentEncryption, seal};
use attestation::{DebugMode, UnverifiedDocument, check_spki};
use rsa::PublicKey;
use rsa::pkcs8::DecodePublicKey;
use rsa::traits::PublicKeyParts;
use simulator::{DocumentSpec, sign_payload};

use crate::fixture;

const CONTENT: [u8; 32] = [0x63; 32];

/// Checks arbitrary bytes as a SubjectPublicKeyInfo.
pub fn run(data: &[u8]) {
    let Ok(modulus_length) = check_spki(data) else { return };
    let key = PublicKey::from_public_key_der(data).expect("rsa accepts the key");
    assert!([256, 384, 512].contains(&modulus_length));
    assert_eq!(key.size(), modulus_length);
    assert!(
        key.n_bytes().first().is_some_and(|byte| byte & 0x80 != 0),
        "the modulus has its full length"
    );
    assert_eq!(key.e_bytes().iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte)), 65537);
    seal_to(data, modulus_length);
}

/// Seals to a key as the service does. Only a verified document returns a `RecipientKey`, so the
/// key is put into a signed document.
fn seal_to(spki: &[u8], modulus_length: usize) {
    let spec = DocumentSpec { public_key: Some(spki.to_vec()), ..fixture::valid_spec() };
    let document = sign_payload(&fixture::payload_with_chain(&spec), fixture::leaf_key());
    let document = UnverifiedDocument::parse(document.expect("the provider signs"));
    let verified = document
        .expect("only the key differs from a valid document")
        .verify_at_document_time(fixture::anchors(), DebugMode::Reject)
        .expect("only the key differs from a valid document");
    let key = verified.recipient_key().expect("the provider accepts the key");
    assert_eq!(key.modulus_length(), modulus_length);
    let encryption = encryption();
    let sealed = seal(&key, &CONTENT, encryption).expect("the provider seals to the key");
    assert_eq!(sealed.len(), sealed_length(modulus_length, CONTENT.len()));
}

/// Returns a fixed content key and IV.
pub(crate) fn encryption() -> ContentEncryption {
    let fill = |part: &mut [u8]| {
        part.fill(7);
        Ok::<_, Infallible>(())
    };
    ContentEncryption::draw(fill).unwrap_or_else(|never| match never {})
}

/// Returns the length that [`seal`] documents for its result. The length depends only on the
/// lengths of the key and of the content.
pub(crate) fn sealed_length(modulus_length: usize, content_length: usize) -> usize {
    let padded = (content_length / 16 + 1) * 16;
    let header = match padded {
        0..=0x7f => 2,
        0x80..=0xff => 3,
        _ => 4,
    };
    FIXED_LENGTH + modulus_length + header + padded
}

/// Length of an envelope without the encrypted key and the encrypted content, in bytes (RFC 5652). The
/// terms are the outer layers up to the version, the recipient, the header of the content, and the end
/// markers.
const FIXED_LENGTH: usize =
    (2 + 11 + 2 + 2 + 3) + (4 + 4 + 3 + 34 + 62 + 4) + (2 + 11 + 31 + 2) + 10;
