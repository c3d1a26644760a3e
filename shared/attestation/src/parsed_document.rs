//! A document whose form was checked: rules 1 to 8.

use std::ops::Range;

use super::cose_sign1::CoseSign1;
use super::malformed_document::MalformedDocument;
use super::payload::Payload;

/// A document that satisfies rules 1 to 8, with the positions of its parts.
#[derive(Debug)]
pub(super) struct ParsedDocument {
    pub(super) bytes: Vec<u8>,
    pub(super) cose: CoseSign1,
    pub(super) payload: Payload,
}

impl ParsedDocument {
    /// Parses a document and checks rules 1 to 8.
    pub(super) fn parse(bytes: Vec<u8>) -> Result<Self, MalformedDocument> {
        let cose = CoseSign1::parse(&bytes)?;
        let payload = Payload::parse(&bytes, cose.payload.clone())?;
        Ok(Self { bytes, cose, payload })
    }

    /// Returns the received bytes.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the payload, which is the signed part.
    pub(super) fn signed_payload(&self) -> &[u8] {
        self.slice(&self.cose.payload)
    }

    pub(super) fn slice(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }
}
