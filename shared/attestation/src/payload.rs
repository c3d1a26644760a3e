//! The payload of an attestation document: a CBOR map with text keys.
//!
//! Fields, types and sizes:
//! <https://docs.aws.amazon.com/enclaves/latest/user/verify-root.html>; where genuine documents
//! differ from that text (indefinite maps since 2025, `user_data` and `nonce` of 1,024 bytes,
//! `nitrotpm_pcrs`), the documents win.

use std::ops::{Range, RangeInclusive};

use super::cbor::{CborError, Items, Reader};
use super::malformed_document::MalformedDocument;
use super::pcr::{MAX_PCRS, PCR_LENGTH, PcrFamily, PcrRanges};
use crate::time::UnixMillis;

/// Certificates between the leaf and the root, and the root: the genuine number is 4.
const CABUNDLE_COUNT: RangeInclusive<usize> = 2..=5;
const CERTIFICATE_LENGTH: RangeInclusive<usize> = 1..=1024;
const PUBLIC_KEY_LENGTH: RangeInclusive<usize> = 1..=1024;
const USER_DATA_LENGTH: RangeInclusive<usize> = 0..=1024;
/// No genuine identifier is longer than 80 bytes.
const MODULE_ID_LENGTH: RangeInclusive<usize> = 1..=1024;
/// Unknown fields are passed over, but not without bound.
const MAX_UNKNOWN_FIELDS: usize = 16;

/// The claims of a document, as ranges of its bytes. Nobody vouches for them yet.
#[derive(Debug)]
pub(super) struct Payload {
    pub(super) module_id: Range<usize>,
    pub(super) timestamp: UnixMillis,
    pub(super) pcrs: PcrRanges,
    pub(super) certificate: Range<usize>,
    /// From the root to the issuer of `certificate`.
    pub(super) cabundle: Vec<Range<usize>>,
    pub(super) public_key: Option<Range<usize>>,
    pub(super) user_data: Option<Range<usize>>,
    pub(super) nonce: Option<Range<usize>>,
}

/// A field as read so far: not yet, as null, or with its value.
enum Slot<T> {
    Unread,
    Null,
    Value(T),
}

impl<T> Slot<T> {
    fn fill(
        &mut self,
        field: &'static str,
        reader: &mut Reader<'_>,
        read: impl FnOnce(&mut Reader<'_>) -> Result<T, MalformedDocument>,
    ) -> Result<(), MalformedDocument> {
        if !matches!(self, Self::Unread) {
            return Err(MalformedDocument::DuplicateField { field });
        }
        *self = if reader.take_null() { Self::Null } else { Self::Value(read(reader)?) };
        Ok(())
    }

    /// Null is absent.
    fn optional(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Unread | Self::Null => None,
        }
    }

    fn required(self, field: &'static str) -> Result<T, MalformedDocument> {
        self.optional().ok_or(MalformedDocument::MissingField { field })
    }
}

struct Fields<'a> {
    document: &'a [u8],
    module_id: Slot<Range<usize>>,
    digest: Slot<()>,
    timestamp: Slot<UnixMillis>,
    pcrs: Slot<PcrRanges>,
    nitrotpm_pcrs: Slot<PcrRanges>,
    certificate: Slot<Range<usize>>,
    cabundle: Slot<Vec<Range<usize>>>,
    public_key: Slot<Range<usize>>,
    user_data: Slot<Range<usize>>,
    nonce: Slot<Range<usize>>,
    unknown: Vec<Range<usize>>,
}

impl Payload {
    /// Rules 5 to 8, in one pass over the map.
    pub(super) fn parse(document: &[u8], range: Range<usize>) -> Result<Self, MalformedDocument> {
        let mut reader = Reader::new(document, range);
        let mut fields = Fields::unread(document);
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
    fn unread(document: &'a [u8]) -> Self {
        Self {
            document,
            module_id: Slot::Unread,
            digest: Slot::Unread,
            timestamp: Slot::Unread,
            pcrs: Slot::Unread,
            nitrotpm_pcrs: Slot::Unread,
            certificate: Slot::Unread,
            cabundle: Slot::Unread,
            public_key: Slot::Unread,
            user_data: Slot::Unread,
            nonce: Slot::Unread,
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
                self.module_id.fill("module_id", reader, |reader| module_id(document, reader))
            }
            b"digest" => self.digest.fill("digest", reader, |reader| digest(document, reader)),
            b"timestamp" => self.timestamp.fill("timestamp", reader, timestamp),
            b"pcrs" => {
                self.pcrs.fill("pcrs", reader, |reader| pcrs(PcrFamily::NitroEnclave, reader))
            }
            b"nitrotpm_pcrs" => self
                .nitrotpm_pcrs
                .fill("nitrotpm_pcrs", reader, |reader| pcrs(PcrFamily::NitroTpm, reader)),
            b"certificate" => self.certificate.fill("certificate", reader, |reader| {
                sized_bytes("certificate", CERTIFICATE_LENGTH, reader)
            }),
            b"cabundle" => self.cabundle.fill("cabundle", reader, cabundle),
            b"public_key" => self.public_key.fill("public_key", reader, |reader| {
                sized_bytes("public_key", PUBLIC_KEY_LENGTH, reader)
            }),
            b"user_data" => self.user_data.fill("user_data", reader, |reader| {
                sized_bytes("user_data", USER_DATA_LENGTH, reader)
            }),
            b"nonce" => self
                .nonce
                .fill("nonce", reader, |reader| sized_bytes("nonce", USER_DATA_LENGTH, reader)),
            name => {
                self.note_unknown(key, name)?;
                reader.skip().map_err(MalformedDocument::Encoding)
            }
        }
    }

    fn note_unknown(&mut self, key: Range<usize>, name: &[u8]) -> Result<(), MalformedDocument> {
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

fn in_field(field: &'static str) -> impl Fn(CborError) -> MalformedDocument {
    move |error| MalformedDocument::Field { field, error }
}

/// Rule 6.
fn check_size(
    field: &'static str,
    allowed: &RangeInclusive<usize>,
    length: usize,
) -> Result<(), MalformedDocument> {
    if allowed.contains(&length) {
        return Ok(());
    }
    let (min, max) = (*allowed.start(), *allowed.end());
    Err(MalformedDocument::FieldLength { field, length, min, max })
}

fn sized_bytes(
    field: &'static str,
    allowed: RangeInclusive<usize>,
    reader: &mut Reader<'_>,
) -> Result<Range<usize>, MalformedDocument> {
    let range = reader.bytes().map_err(in_field(field))?;
    check_size(field, &allowed, range.len())?;
    Ok(range)
}

fn module_id(document: &[u8], reader: &mut Reader<'_>) -> Result<Range<usize>, MalformedDocument> {
    let range = reader.text().map_err(in_field("module_id"))?;
    check_size("module_id", &MODULE_ID_LENGTH, range.len())?;
    let name = document.get(range.clone()).and_then(|bytes| std::str::from_utf8(bytes).ok());
    if name.is_some_and(|name| name.contains(char::is_control)) {
        return Err(MalformedDocument::ModuleIdControl);
    }
    Ok(range)
}

fn digest(document: &[u8], reader: &mut Reader<'_>) -> Result<(), MalformedDocument> {
    let range = reader.text().map_err(in_field("digest"))?;
    if document.get(range) == Some(b"SHA384") { Ok(()) } else { Err(MalformedDocument::Digest) }
}

fn timestamp(reader: &mut Reader<'_>) -> Result<UnixMillis, MalformedDocument> {
    match reader.unsigned().map_err(in_field("timestamp"))? {
        0 => Err(MalformedDocument::ZeroTimestamp),
        millis => Ok(UnixMillis::new(millis)),
    }
}

/// Rule 7.
fn pcrs(family: PcrFamily, reader: &mut Reader<'_>) -> Result<PcrRanges, MalformedDocument> {
    let field = family.field();
    let mut ranges = PcrRanges { family, values: [const { None }; MAX_PCRS] };
    let mut entries = reader.map().map_err(in_field(field))?;
    let mut count = 0;
    while reader.more(&mut entries) {
        let index = reader.unsigned().map_err(in_field(field))?;
        let slot = usize::try_from(index)
            .ok()
            .and_then(|index| ranges.values.get_mut(index))
            .ok_or(MalformedDocument::PcrIndex { index })?;
        let value = reader.bytes().map_err(in_field(field))?;
        if value.len() != PCR_LENGTH {
            return Err(MalformedDocument::PcrLength { index, length: value.len() });
        }
        if slot.replace(value).is_some() {
            return Err(MalformedDocument::DuplicatePcr { index });
        }
        count += 1;
    }
    check_size(field, &(1..=MAX_PCRS), count)?;
    Ok(ranges)
}

/// Rule 8.
fn cabundle(reader: &mut Reader<'_>) -> Result<Vec<Range<usize>>, MalformedDocument> {
    let mut entries = reader.array().map_err(in_field("cabundle"))?;
    let mut certificates = Vec::with_capacity(*CABUNDLE_COUNT.end());
    while reader.more(&mut entries) {
        if certificates.len() == *CABUNDLE_COUNT.end() {
            return Err(cabundle_count(&entries, certificates.len() + 1));
        }
        certificates.push(sized_bytes("cabundle", CERTIFICATE_LENGTH, reader)?);
    }
    if CABUNDLE_COUNT.contains(&certificates.len()) {
        Ok(certificates)
    } else {
        Err(MalformedDocument::CabundleCount { count: certificates.len() })
    }
}

/// The number of certificates as far as it is known without reading on.
fn cabundle_count(entries: &Items, read: usize) -> MalformedDocument {
    let unread = match entries {
        Items::Left(left) => usize::try_from(*left).unwrap_or(usize::MAX),
        Items::UntilBreak => 0,
    };
    MalformedDocument::CabundleCount { count: read.saturating_add(unread) }
}

#[cfg(test)]
#[path = "payload_tests.rs"]
mod tests;
