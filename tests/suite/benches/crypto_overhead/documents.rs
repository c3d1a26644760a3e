//! Documents under one root. A benchmark selects how many certificates of the chain two documents
//! share.

use attestation::UnverifiedDocument;
use attestation::time::UnixMillis;
use attested_recipient::RecipientKey;
use simulator::DocumentBuilder;

use crate::load::BoxError;

/// The number of CAs including the root, as in AWS's chains. The index of the leaf in the chain is
/// the same number.
const CAS: usize = 4;

/// A factory of documents that all have the same timestamp.
pub(crate) struct DocumentFactory {
    forgery: DocumentBuilder,
    certificates: Vec<Vec<u8>>,
    nonce: u32,
}

impl DocumentFactory {
    pub(crate) fn new(now: UnixMillis, recipient: &RecipientKey) -> Result<Self, BoxError> {
        let mut forgery = DocumentBuilder::new(CAS, now)?;
        // With a public key, the document is about as long as a genuine one (4.5 kB).
        forgery.document.public_key = Some(recipient.public_key_der().to_vec());
        let certificates = forgery.certificates()?;
        Ok(Self { forgery, certificates, nonce: 0 })
    }

    pub(crate) fn root(&self) -> &[u8] {
        self.forgery.root()
    }

    /// Issues the certificate of a level again, with a new serial number.
    fn issue(&mut self, level: usize) -> Result<(), BoxError> {
        let spec = self.forgery.specs.get(level).ok_or("no such level")?;
        let [own, issuer] = [self.forgery.key(level)?, self.forgery.key(level - 1)?];
        let certificate = spec.issue(own.public_key(), issuer)?;
        *self.certificates.get_mut(level).ok_or("no such level")? = certificate;
        Ok(())
    }

    /// Returns another document that the same leaf signs.
    pub(crate) fn document(&mut self) -> Result<Vec<u8>, BoxError> {
        self.nonce += 1;
        self.forgery.document.nonce = Some(self.nonce.to_be_bytes().to_vec());
        let chain: Vec<&[u8]> = self.certificates.iter().map(Vec::as_slice).collect();
        Ok(self.forgery.sign_over(&chain)?)
    }

    /// Returns a document that a new leaf signs. The CAs of the chain stay the same.
    pub(crate) fn document_with_new_leaf(&mut self) -> Result<Vec<u8>, BoxError> {
        self.issue(CAS)?;
        self.document()
    }

    /// Returns a document with a new leaf and a new last CA. The other CAs stay the same.
    pub(crate) fn document_with_new_chain(&mut self) -> Result<Vec<u8>, BoxError> {
        self.issue(CAS - 1)?;
        self.document_with_new_leaf()
    }

    /// Returns the length of each signed part, in bytes. The parts are the certificates below the root
    /// and the document.
    pub(crate) fn signed_lengths(&mut self) -> Result<Vec<usize>, BoxError> {
        let document = self.document()?;
        let certificates = self.certificates.iter().skip(1).map(Vec::len);
        Ok(certificates.chain([document.len()]).collect())
    }
}

/// Parses a document. The measured time starts after this call.
pub(crate) fn parse(document: &[u8]) -> Result<UnverifiedDocument, BoxError> {
    Ok(UnverifiedDocument::parse(document.to_vec())?)
}
