//! Rules 5 to 8: the payload of an attestation document, a CBOR map with text keys.
//!
//! Fields, types and sizes: <https://docs.aws.amazon.com/enclaves/latest/user/verify-root.html>. Genuine
//! documents differ from that page in three points. This reader accepts genuine documents:
//!
//! - Since 2025, the map has indefinite length.
//! - `user_data` and `nonce` may have 1,024 bytes.
//! - The field `nitrotpm_pcrs` exists.

mod field;
mod field_values;

use std::ops::Range;

use self::field::Field;
use self::field_values::{
    CERTIFICATE_LENGTH, PUBLIC_KEY_LENGTH, USER_DATA_LENGTH, read_cabundle, read_digest,
    read_module_id, read_pcrs, read_sized_bytes, read_timestamp,
};
use super::cbor::Reader;
use super::malformed_document::MalformedDocument;
use super::pcr::{PcrFamily, PcrRanges};
use crate::time::UnixMillis;

/// Maximum number of unknown fields, which are skipped.
const MAX_UNKNOWN_FIELDS: usize = 16;

/// The unverified claims of a document, as ranges of its bytes.
#[derive(Debug)]
pub(super) struct Payload {
    pub(super) module_id: Range<usize>,
    pub(super) timestamp: UnixMillis,
    pub(super) pcrs: PcrRanges,
    pub(super) certificate: Range<usize>,
    /// The certificates from the root to the issuer of `certificate`.
    pub(super) cabundle: Vec<Range<usize>>,
    pub(super) public_key: Option<Range<usize>>,
    pub(super) user_data: Option<Range<usize>>,
    pub(super) nonce: Option<Range<usize>>,
}

/// The fields of the map that have been read so far.
struct Fields<'a> {
    document: &'a [u8],
    module_id: Field<Range<usize>>,
    digest: Field<()>,
    timestamp: Field<UnixMillis>,
    pcrs: Field<PcrRanges>,
    nitrotpm_pcrs: Field<PcrRanges>,
    certificate: Field<Range<usize>>,
    cabundle: Field<Vec<Range<usize>>>,
    public_key: Field<Range<usize>>,
    user_data: Field<Range<usize>>,
    nonce: Field<Range<usize>>,
    unknown: Vec<Range<usize>>,
}

impl Payload {
    /// Parses the map and checks rules 5 to 8 in one pass.
    pub(super) fn parse(document: &[u8], range: Range<usize>) -> Result<Self, MalformedDocument> {
        let mut reader = Reader::new(document, range);
        let mut fields = Fields::new(document);
        let mut entries = reader.map().map_err(MalformedDocument::Encoding)?;
        while reader.more(&mut entries) {
            let key = reader.text().map_err(MalformedDocument::FieldName)?;
            fields.read(key, &mut reader)?;
        }
        match reader.remaining() {
            0 => fields.finish(),
            count => Err(MalformedDocument::TrailingPayloadBytes { count }),
        }
    }
}

impl<'a> Fields<'a> {
    fn new(document: &'a [u8]) -> Self {
        Self {
            document,
            module_id: Field::Unread,
            digest: Field::Unread,
            timestamp: Field::Unread,
            pcrs: Field::Unread,
            nitrotpm_pcrs: Field::Unread,
            certificate: Field::Unread,
            cabundle: Field::Unread,
            public_key: Field::Unread,
            user_data: Field::Unread,
            nonce: Field::Unread,
            unknown: Vec::new(),
        }
    }

    fn read(
        &mut self,
        key: Range<usize>,
        reader: &mut Reader<'a>,
    ) -> Result<(), MalformedDocument> {
        let document = self.document;
        match document.get(key.clone()).unwrap_or_default() {
            b"module_id" => {
                self.module_id.read("module_id", reader, |reader| read_module_id(document, reader))
            }
            b"digest" => self.digest.read("digest", reader, |reader| read_digest(document, reader)),
            b"timestamp" => self.timestamp.read("timestamp", reader, read_timestamp),
            b"pcrs" => {
                self.pcrs.read("pcrs", reader, |reader| read_pcrs(PcrFamily::NitroEnclave, reader))
            }
            b"nitrotpm_pcrs" => self
                .nitrotpm_pcrs
                .read("nitrotpm_pcrs", reader, |reader| read_pcrs(PcrFamily::NitroTpm, reader)),
            b"certificate" => self.certificate.read("certificate", reader, |reader| {
                read_sized_bytes("certificate", CERTIFICATE_LENGTH, reader)
            }),
            b"cabundle" => self.cabundle.read("cabundle", reader, read_cabundle),
            b"public_key" => self.public_key.read("public_key", reader, |reader| {
                read_sized_bytes("public_key", PUBLIC_KEY_LENGTH, reader)
            }),
            b"user_data" => self.user_data.read("user_data", reader, |reader| {
                read_sized_bytes("user_data", USER_DATA_LENGTH, reader)
            }),
            b"nonce" => self.nonce.read("nonce", reader, |reader| {
                read_sized_bytes("nonce", USER_DATA_LENGTH, reader)
            }),
            name => {
                self.record_unknown(key, name)?;
                reader.skip().map_err(MalformedDocument::Encoding)
            }
        }
    }

    fn record_unknown(&mut self, key: Range<usize>, name: &[u8]) -> Result<(), MalformedDocument> {
        if self.unknown.iter().any(|known| self.document.get(known.clone()) == Some(name)) {
            return Err(MalformedDocument::DuplicateField { field: "(unknown)" });
        }
        if self.unknown.len() == MAX_UNKNOWN_FIELDS {
            return Err(MalformedDocument::TooManyUnknownFields);
        }
        self.unknown.push(key);
        Ok(())
    }

    fn finish(self) -> Result<Payload, MalformedDocument> {
        let pcrs = match (self.pcrs.optional(), self.nitrotpm_pcrs.optional()) {
            (Some(pcrs), None) | (None, Some(pcrs)) => pcrs,
            (Some(_), Some(_)) => return Err(MalformedDocument::TwoPcrFamilies),
            (None, None) => return Err(MalformedDocument::MissingField { field: "pcrs" }),
        };
        self.digest.required("digest")?;
        Ok(Payload {
            module_id: self.module_id.required("module_id")?,
            timestamp: self.timestamp.required("timestamp")?,
            pcrs,
            certificate: self.certificate.required("certificate")?,
            cabundle: self.cabundle.required("cabundle")?,
            public_key: self.public_key.optional(),
            user_data: self.user_data.optional(),
            nonce: self.nonce.optional(),
        })
    }
}

#[cfg(test)]
#[path = "payload_tests.rs"]
mod tests;
