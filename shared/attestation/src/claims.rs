//! The claims of a document. Only a verified document and `dangerous_unverified_claims` give access to
//! claims.

use std::ops::Range;

use super::parsed_document::ParsedDocument;
use super::pcr::Pcrs;
use crate::time::UnixMillis;

/// The claims of a document.
#[derive(Clone, Copy, Debug)]
pub struct Claims<'a> {
    document: &'a ParsedDocument,
}

impl<'a> Claims<'a> {
    pub(super) fn new(document: &'a ParsedDocument) -> Self {
        Self { document }
    }

    /// Returns the name of the Nitro Secure Module that signed, such as
    /// `i-0a6d65e7122308898-enc017846bcd2f820da`.
    pub fn module_id(&self) -> &'a str {
        // The CBOR reader has checked that the bytes are UTF-8.
        std::str::from_utf8(self.slice(&self.document.payload.module_id)).unwrap_or_default()
    }

    /// Returns the time of the signature.
    pub fn timestamp(&self) -> UnixMillis {
        self.document.payload.timestamp
    }

    /// Returns the measurements.
    pub fn pcrs(&self) -> Pcrs<'a> {
        Pcrs::new(&self.document.bytes, &self.document.payload.pcrs)
    }

    /// Returns the leaf certificate in DER.
    pub fn certificate(&self) -> &'a [u8] {
        self.slice(&self.document.payload.certificate)
    }

    /// Returns the certificates from the root to the leaf's issuer, in DER.
    pub fn cabundle(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let document = self.document;
        document.payload.cabundle.iter().map(|range| document.slice(range))
    }

    /// Returns the field `public_key`: 1 to 1,024 bytes with any content.
    pub fn public_key(&self) -> Option<&'a [u8]> {
        self.optional(&self.document.payload.public_key)
    }

    /// Returns the field `user_data`, at most 1,024 bytes.
    pub fn user_data(&self) -> Option<&'a [u8]> {
        self.optional(&self.document.payload.user_data)
    }

    /// Returns the field `nonce`, at most 1,024 bytes.
    pub fn nonce(&self) -> Option<&'a [u8]> {
        self.optional(&self.document.payload.nonce)
    }

    /// Returns the signature: r and s, 48 bytes each.
    pub fn signature(&self) -> &'a [u8] {
        self.slice(&self.document.cose.signature)
    }

    fn slice(&self, range: &Range<usize>) -> &'a [u8] {
        self.document.slice(range)
    }

    fn optional(&self, range: &Option<Range<usize>>) -> Option<&'a [u8]> {
        range.as_ref().map(|range| self.slice(range))
    }
}
