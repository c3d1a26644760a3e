//! The timestamp of a document that the enclave's own NSM returned over its device.
//!
//! The device is trusted, so the document is read but not verified. The result is a time only, never a
//! `VerifiedDocument`.

use std::ops::Range;

use thiserror::Error;

use super::cbor::{CborError, Reader};
use crate::time::UnixMillis;

const TAG_COSE_SIGN1: u8 = 0xd2;
const ARRAY_OF_FOUR: u8 = 0x84;
/// The payload field with the time of the signature, in milliseconds since the Unix epoch.
const TIMESTAMP: &str = "timestamp";

/// A reason why the timestamp of a document cannot be read.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NsmTimestampError {
    /// The document is not an array of four parts.
    #[error("the document is not a COSE_Sign1")]
    NotCoseSign1,
    /// The document is not well-formed CBOR.
    #[error("the document is not well-formed CBOR")]
    Encoding,
    /// The payload has no timestamp, or two.
    #[error("the document does not contain exactly one timestamp")]
    Timestamp,
}

impl From<CborError> for NsmTimestampError {
    fn from(_: CborError) -> Self {
        Self::Encoding
    }
}

/// Returns the timestamp of `document`, which the NSM returned over its device.
///
/// The signature is not verified and may be absent: QEMU's NSM does not sign.
///
/// # Errors
/// If the document is not a COSE_Sign1, is not well-formed CBOR, or does not have exactly one timestamp.
pub fn nsm_timestamp(document: &[u8]) -> Result<UnixMillis, NsmTimestampError> {
    let mut reader = Reader::new(document, 0..document.len());
    reader.take_if(TAG_COSE_SIGN1);
    if !reader.take_if(ARRAY_OF_FOUR) {
        return Err(NsmTimestampError::NotCoseSign1);
    }
    // Both headers, then the payload, then the signature.
    reader.skip()?;
    reader.skip()?;
    let payload = reader.bytes()?;
    reader.skip()?;
    if reader.remaining() > 0 {
        return Err(NsmTimestampError::Encoding);
    }
    timestamp(document, payload)
}

fn timestamp(document: &[u8], payload: Range<usize>) -> Result<UnixMillis, NsmTimestampError> {
    let mut reader = Reader::new(document, payload);
    let mut entries = reader.map()?;
    let mut timestamp = None;
    while reader.more(&mut entries) {
        let key = reader.text()?;
        if document.get(key) != Some(TIMESTAMP.as_bytes()) {
            reader.skip()?;
        } else if timestamp.replace(reader.unsigned()?).is_some() {
            return Err(NsmTimestampError::Timestamp);
        }
    }
    match timestamp {
        Some(milliseconds) if reader.remaining() == 0 => Ok(UnixMillis::new(milliseconds)),
        Some(_) => Err(NsmTimestampError::Encoding),
        None => Err(NsmTimestampError::Timestamp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns an unsigned document with the payload {"timestamp": 1000, "a": [1]}.
    fn document(tag: &[u8], map: &[u8], end: &[u8]) -> Vec<u8> {
        let fields = [b"\x69timestamp\x19\x03\xe8".as_slice(), b"\x61a\x81\x01"].concat();
        let payload = [map, &fields, end].concat();
        let length = [0x40 + u8::try_from(payload.len()).unwrap()];
        let signature = [&[0x58, 64][..], &[0; 64]].concat();
        [tag, &[0x84, 0x43, 0xa1, 0x01, 0x20, 0xa0], &length, &payload, &signature].concat()
    }

    #[test]
    fn reads_timestamp_of_tagged_and_untagged_documents() {
        for tag in [&[][..], &[0xd2]] {
            for (map, end) in [(&[0xa2][..], &[][..]), (&[0xbf], &[0xff])] {
                let time = nsm_timestamp(&document(tag, map, end));
                assert_eq!(time, Ok(UnixMillis::new(1000)));
            }
        }
    }

    #[test]
    fn rejects_truncated_document_and_trailing_bytes() {
        let whole = document(&[0xd2], &[0xa2], &[]);
        for length in 0..whole.len() {
            assert!(nsm_timestamp(&whole[..length]).is_err(), "{length}");
        }
        let longer = [&whole[..], &[0]].concat();
        assert_eq!(nsm_timestamp(&longer), Err(NsmTimestampError::Encoding));
        let trailing = document(&[], &[0xa2], &[0]);
        assert_eq!(nsm_timestamp(&trailing), Err(NsmTimestampError::Encoding));
    }

    #[test]
    fn rejects_missing_duplicate_or_mistyped_timestamp() {
        let good = document(&[], &[0xa2], &[]);
        let with = |field: &[u8; 10], other: &[u8; 10]| {
            let mut bytes = good.clone();
            let at = bytes.windows(10).position(|window| window == field).unwrap();
            bytes[at..at + 10].copy_from_slice(other);
            nsm_timestamp(&bytes)
        };
        let key = b"\x69timestamp";
        assert_eq!(with(key, b"\x69timestamq"), Err(NsmTimestampError::Timestamp));
        assert_eq!(with(key, b"\x49timestamp"), Err(NsmTimestampError::Encoding));
        let twice = [b"\xa2".as_slice(), key, b"\x01", key, b"\x02"].concat();
        let length = [0x40 + u8::try_from(twice.len()).unwrap()];
        let twice = [&[0x84, 0x40, 0xa0][..], &length, &twice, &[0x40]].concat();
        assert_eq!(nsm_timestamp(&twice), Err(NsmTimestampError::Timestamp));
        assert_eq!(nsm_timestamp(&[0x83]), Err(NsmTimestampError::NotCoseSign1));
        assert_eq!(nsm_timestamp(&[]), Err(NsmTimestampError::NotCoseSign1));
    }
}
