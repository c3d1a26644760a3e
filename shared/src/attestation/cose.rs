//! Rule 16: the document's own signature, through the COSE crate, over our crypto provider.

use aws_nitro_enclaves_cose::CoseSign1;
use aws_nitro_enclaves_cose::crypto::{Hash, MessageDigest, SignatureAlgorithm, SigningPublicKey};
use aws_nitro_enclaves_cose::error::CoseError;

use super::error::UntrustedDocument;
use crate::crypto;

/// An uncompressed P-384 point.
struct LeafKey<'a>(&'a [u8]);

impl SigningPublicKey for LeafKey<'_> {
    fn get_parameters(&self) -> Result<(SignatureAlgorithm, MessageDigest), CoseError> {
        Ok((SignatureAlgorithm::ES384, MessageDigest::Sha384))
    }

    /// Not handed a digest, but what [`Undigested`] made of one: the Sig_structure itself.
    fn verify(&self, sig_structure: &[u8], signature: &[u8]) -> Result<bool, CoseError> {
        Ok(crypto::verify_es384(self.0, sig_structure, signature).is_ok())
    }
}

/// The crate would have a key verify a digest, which not every provider can. So the Sig_structure
/// passes through as its own digest, and the provider hashes it.
pub(crate) struct Undigested;

impl Hash for Undigested {
    fn hash(_: MessageDigest, sig_structure: &[u8]) -> Result<Vec<u8>, CoseError> {
        Ok(sig_structure.to_vec())
    }
}

/// Verifies the signature of `document`, whose envelope has the one admitted form, with the leaf's
/// `public_key`. The payload is covered as received: it is never encoded anew.
pub(super) fn verify(document: &[u8], public_key: &[u8]) -> Result<(), UntrustedDocument> {
    let verified = CoseSign1::from_bytes(document)
        .and_then(|envelope| envelope.verify_signature::<Undigested>(&LeafKey(public_key)));
    match verified {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(UntrustedDocument::DocumentSignature),
    }
}
