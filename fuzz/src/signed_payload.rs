//! The target for signed payloads: arbitrary payloads that the target signs with the fixture's leaf key.
//! Because the signature is valid, inputs reach the decoder and the later rules. Two other decoders must
//! read the same values.

use attestation::cms::{MAX_CIPHERTEXT_LENGTH, open, seal};
use attestation::{Claims, DebugMode, UnverifiedDocument, VerifiedDocument};
use simulator::sign_payload;

use crate::recipient_key::{encryption, sealed_length};
use crate::{decoders, document, fixture};

const CONTENT: [u8; 100] = [0x63; 100];

/// The start of a placeholder, which is a byte string of two bytes: `$` and a name. Placeholders keep
/// inputs short, so that mutations rarely change a certificate or a key.
const PLACEHOLDER: [u8; 2] = [0x42, b'$'];

/// Checks arbitrary bytes as a payload. The input may contain placeholders.
pub fn run(data: &[u8]) {
    let payload = expand(data);
    // Parsing does not verify the signature. Signing takes a hundred times as long as parsing, so
    // only documents that parse are signed.
    if UnverifiedDocument::parse(fixture::unsigned_document(&payload)).is_err() {
        return;
    }
    let signed = sign_payload(&payload, fixture::leaf_key()).expect("the provider signs");
    let document =
        UnverifiedDocument::parse(signed.clone()).expect("the signed document has the same form");
    let claims = document.dangerous_unverified_claims();
    document::check_claims(&claims, &signed);
    decoders::compare(&claims, &payload);
    let Ok(verified) = document.verify_at_document_time(fixture::anchors(), DebugMode::Reject)
    else {
        return;
    };
    assert_chain(&verified.claims());
    seal_to(&verified);
}

/// Checks the chain of a verified document. The input has no key of a CA, so a verified chain consists
/// of the fixture's certificates.
fn assert_chain(claims: &Claims<'_>) {
    let [cabundle @ .., leaf] = fixture::certificates();
    assert_eq!(claims.certificate(), leaf);
    assert!(claims.cabundle().eq(cabundle));
    assert!(!claims.pcrs().is_debug_mode());
}

fn seal_to<T: attestation::Trust>(document: &VerifiedDocument<T>) {
    let Ok(key) = document.recipient_key() else { return };
    let encryption = encryption();
    let sealed = seal(&key, &CONTENT, encryption).expect("a checked key can be sealed to");
    assert_eq!(sealed.len(), sealed_length(key.modulus_length(), CONTENT.len()));
    assert!(sealed.len() <= MAX_CIPHERTEXT_LENGTH);
    if document.claims().public_key() == Some(fixture::recipient().public_key_der()) {
        assert_eq!(
            open(&sealed, fixture::recipient()).as_deref().map(Vec::as_slice),
            Ok(&CONTENT[..])
        );
    }
}

/// Returns `data` with each placeholder replaced by its value. `$0` to `$4` are certificates, `$K` is
/// the recipient's key, and `$P` is a PCR value.
pub fn expand(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    let mut rest = data;
    while let Some((first, after)) = rest.split_first() {
        let meaning = rest.strip_prefix(&PLACEHOLDER).and_then(<[u8]>::split_first);
        match meaning.and_then(|(name, after)| Some((value(*name)?, after))) {
            Some((value, after)) => {
                byte_string(&mut out, &value);
                rest = after;
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

fn value(name: u8) -> Option<Vec<u8>> {
    match name {
        b'0'..=b'4' => Some(fixture::certificates()[usize::from(name - b'0')].to_vec()),
        b'K' => Some(fixture::recipient().public_key_der().to_vec()),
        b'P' => Some(vec![0x50; 48]),
        _ => None,
    }
}

fn byte_string(out: &mut Vec<u8>, content: &[u8]) {
    match u8::try_from(content.len()) {
        Ok(length) => out.extend([0x58, length]),
        Err(_) => {
            let [.., high, low] = content.len().to_be_bytes();
            out.extend([0x59, high, low]);
        }
    }
    out.extend(content);
}
