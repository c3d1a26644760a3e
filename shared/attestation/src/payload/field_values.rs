//! Rules 6 to 8: the types and sizes of the fields' values.

use std::ops::{Range, RangeInclusive};

use crate::cbor::{CborError, Items, Reader};
use crate::malformed_document::MalformedDocument;
use crate::pcr::{MAX_PCRS, PCR_LENGTH, PcrFamily, PcrRanges};
use crate::time::UnixMillis;

/// Number of certificates in the cabundle, the root included. Genuine documents have 4.
const CABUNDLE_COUNT: RangeInclusive<usize> = 2..=5;
pub(super) const CERTIFICATE_LENGTH: RangeInclusive<usize> = 1..=1024;
pub(super) const PUBLIC_KEY_LENGTH: RangeInclusive<usize> = 1..=1024;
pub(super) const USER_DATA_LENGTH: RangeInclusive<usize> = 0..=1024;
/// Genuine identifiers have at most 80 bytes.
const MODULE_ID_LENGTH: RangeInclusive<usize> = 1..=1024;

fn field_error(field: &'static str) -> impl Fn(CborError) -> MalformedDocument {
    move |error| MalformedDocument::Field { field, error }
}

/// Checks rule 6 for one length.
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

/// Reads a byte string of an allowed length.
pub(super) fn read_sized_bytes(
    field: &'static str,
    allowed: RangeInclusive<usize>,
    reader: &mut Reader<'_>,
) -> Result<Range<usize>, MalformedDocument> {
    let range = reader.bytes().map_err(field_error(field))?;
    check_size(field, &allowed, range.len())?;
    Ok(range)
}

/// Reads `module_id`, which must not contain control characters.
pub(super) fn read_module_id(
    document: &[u8],
    reader: &mut Reader<'_>,
) -> Result<Range<usize>, MalformedDocument> {
    let range = reader.text().map_err(field_error("module_id"))?;
    check_size("module_id", &MODULE_ID_LENGTH, range.len())?;
    let name = document.get(range.clone()).and_then(|bytes| std::str::from_utf8(bytes).ok());
    if name.is_some_and(|name| name.contains(char::is_control)) {
        return Err(MalformedDocument::ModuleIdControl);
    }
    Ok(range)
}

/// Reads `digest`, which must be SHA384.
pub(super) fn read_digest(
    document: &[u8],
    reader: &mut Reader<'_>,
) -> Result<(), MalformedDocument> {
    let range = reader.text().map_err(field_error("digest"))?;
    if document.get(range) == Some(b"SHA384") { Ok(()) } else { Err(MalformedDocument::Digest) }
}

/// Reads `timestamp`, which must not be zero.
pub(super) fn read_timestamp(reader: &mut Reader<'_>) -> Result<UnixMillis, MalformedDocument> {
    match reader.unsigned().map_err(field_error("timestamp"))? {
        0 => Err(MalformedDocument::ZeroTimestamp),
        millis => Ok(UnixMillis::new(millis)),
    }
}

/// Reads the PCRs and checks rule 7.
pub(super) fn read_pcrs(
    family: PcrFamily,
    reader: &mut Reader<'_>,
) -> Result<PcrRanges, MalformedDocument> {
    let field = family.field();
    let mut ranges = PcrRanges { family, values: [const { None }; MAX_PCRS] };
    let mut entries = reader.map().map_err(field_error(field))?;
    let mut count = 0;
    while reader.more(&mut entries) {
        let index = reader.unsigned().map_err(field_error(field))?;
        let slot = usize::try_from(index)
            .ok()
            .and_then(|index| ranges.values.get_mut(index))
            .ok_or(MalformedDocument::PcrIndex { index })?;
        let value = reader.bytes().map_err(field_error(field))?;
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

/// Reads the cabundle and checks rule 8.
pub(super) fn read_cabundle(
    reader: &mut Reader<'_>,
) -> Result<Vec<Range<usize>>, MalformedDocument> {
    let mut entries = reader.array().map_err(field_error("cabundle"))?;
    let mut certificates = Vec::with_capacity(*CABUNDLE_COUNT.end());
    while reader.more(&mut entries) {
        if certificates.len() == *CABUNDLE_COUNT.end() {
            return Err(cabundle_count_error(&entries, certificates.len() + 1));
        }
        certificates.push(read_sized_bytes("cabundle", CERTIFICATE_LENGTH, reader)?);
    }
    if CABUNDLE_COUNT.contains(&certificates.len()) {
        Ok(certificates)
    } else {
        Err(MalformedDocument::CabundleCount { count: certificates.len() })
    }
}

/// Returns the error for a cabundle with too many certificates.
///
/// The count includes unread certificates if the array has a definite length.
fn cabundle_count_error(entries: &Items, read: usize) -> MalformedDocument {
    let unread = match entries {
        Items::Left(left) => usize::try_from(*left).unwrap_or(usize::MAX),
        Items::UntilBreak => 0,
    };
    MalformedDocument::CabundleCount { count: read.saturating_add(unread) }
}
