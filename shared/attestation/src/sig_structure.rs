//! Rule 16: the document's signature over the Sig_structure of RFC 9052 section 4.4.
//!
//! The Sig_structure has three parts: a prefix, the length of the payload, and the payload as received. The
//! prefix is the same for every document that satisfies rules 2 and 3. The parts are hashed in place, so
//! nothing is decoded, encoded again or copied.

use super::untrusted_document::UntrustedDocument;
use crate::crypto;

/// The prefix: an array of four with the context "Signature1", the protected header {1: -35} and empty external
/// data. The payload follows.
const SIG_STRUCTURE: &[u8; 18] = b"\x84\x6aSignature1\x44\xa1\x01\x38\x22\x40";

/// Verifies `signature` (r and s, 48 bytes each) over a document's `payload` with the leaf's
/// `public_key`, an uncompressed P-384 point.
pub(super) fn verify_signature(
    payload: &[u8],
    signature: &[u8],
    public_key: &[u8],
) -> Result<(), UntrustedDocument> {
    let head = ByteStringHead::new(payload.len());
    crypto::verify_es384(public_key, &[SIG_STRUCTURE, head.as_slice(), payload], signature)
        .map_err(|_| UntrustedDocument::DocumentSignature)
}

/// The head of a byte string of definite length, in its shortest form (RFC 8949 section 4.2.1).
struct ByteStringHead {
    bytes: [u8; 3],
    length: usize,
}

impl ByteStringHead {
    /// Creates the head for `length` bytes. Rule 1 limits `length` to 16,384, so two bytes suffice.
    fn new(length: usize) -> Self {
        let [.., high, low] = length.to_be_bytes();
        match length {
            0..=23 => Self { bytes: [0x40 | low, 0, 0], length: 1 },
            24..=0xff => Self { bytes: [0x58, low, 0], length: 2 },
            _ => Self { bytes: [0x59, high, low], length: 3 },
        }
    }

    fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use aws_nitro_enclaves_cose::CoseSign1;
    use aws_nitro_enclaves_cose::crypto::{
        Hash, MessageDigest, SignatureAlgorithm, SigningPublicKey,
    };
    use aws_nitro_enclaves_cose::error::CoseError;

    use super::*;
    use simulator::{Key, sign_payload};

    /// A key that records the Sig_structure which AWS's library passes to it.
    struct SigStructureRecorder(RefCell<Vec<u8>>);

    impl SigningPublicKey for SigStructureRecorder {
        fn get_parameters(&self) -> Result<(SignatureAlgorithm, MessageDigest), CoseError> {
            Ok((SignatureAlgorithm::ES384, MessageDigest::Sha384))
        }

        fn verify(&self, sig_structure: &[u8], _: &[u8]) -> Result<bool, CoseError> {
            self.0.replace(sig_structure.to_vec());
            Ok(true)
        }
    }

    struct IdentityHash;

    impl Hash for IdentityHash {
        fn hash(_: MessageDigest, sig_structure: &[u8]) -> Result<Vec<u8>, CoseError> {
            Ok(sig_structure.to_vec())
        }
    }

    #[test]
    fn sig_structure_equals_that_of_aws_library() {
        let (key, _) = Key::generate().unwrap();
        for length in [0, 1, 23, 24, 255, 256, 4096, 16 * 1024] {
            let payload = vec![0xa5; length];
            let document = sign_payload(&payload, &key).unwrap();
            let recorder = SigStructureRecorder(RefCell::default());
            let cose = CoseSign1::from_bytes(&document).unwrap();
            assert!(cose.verify_signature::<IdentityHash>(&recorder).unwrap());
            let head = ByteStringHead::new(length);
            let parts = [&SIG_STRUCTURE[..], head.as_slice(), &payload].concat();
            assert_eq!(parts, recorder.0.into_inner(), "{length}");
            let signature = &document[document.len() - 96..];
            assert_eq!(verify_signature(&payload, signature, key.public_key()), Ok(()));
        }
    }
}
