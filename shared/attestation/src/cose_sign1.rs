//! Rules 1 to 4: the COSE_Sign1 (RFC 9052 section 4.2) that contains the payload and the signature.
//!
//! The headers are compared byte for byte with the only form that AWS emits. So the signed bytes are known
//! without decoding. AWS's own COSE library also accepts a doubled tag, chunked strings and `crit`.

use std::ops::Range;

use super::cbor::Reader;
use super::malformed_document::MalformedDocument;

/// Maximum length of a document, in bytes. The response buffer of the NSM driver has 12,288 bytes, and the
/// longest known genuine document has 7,539.
pub const MAX_DOCUMENT_LENGTH: usize = 16 * 1024;

/// Length of a raw ES384 signature, in bytes: r and s, 48 each (RFC 9053 section 2.1).
pub(crate) const SIGNATURE_LENGTH: usize = 96;

const TAG_COSE_SIGN1: u8 = 0xd2;
const ARRAY_OF_FOUR: u8 = 0x84;
/// The protected header as a byte string: {1: -35}, which is alg ES384.
const PROTECTED_HEADER: [u8; 5] = [0x44, 0xa1, 0x01, 0x38, 0x22];
const EMPTY_MAP: u8 = 0xa0;

/// The positions of payload and signature in a COSE_Sign1, whose other parts are fixed.
#[derive(Debug)]
pub(super) struct CoseSign1 {
    pub(super) payload: Range<usize>,
    pub(super) signature: Range<usize>,
}

impl CoseSign1 {
    /// Parses the COSE_Sign1 and checks rules 1 to 4.
    pub(super) fn parse(document: &[u8]) -> Result<Self, MalformedDocument> {
        // 1: the size
        if document.is_empty() {
            return Err(MalformedDocument::Empty);
        }
        if document.len() > MAX_DOCUMENT_LENGTH {
            return Err(MalformedDocument::TooLong { length: document.len() });
        }
        // 2: one array, with or without its tag
        if let Some(mistake) = mistaken_encoding(document) {
            return Err(mistake);
        }
        let mut reader = Reader::new(document, 0..document.len());
        reader.take_if(TAG_COSE_SIGN1);
        if !reader.take_if(ARRAY_OF_FOUR) {
            return Err(MalformedDocument::NotCoseSign1);
        }
        // 3: both headers
        if !PROTECTED_HEADER.into_iter().all(|byte| reader.take_if(byte)) {
            return Err(MalformedDocument::ProtectedHeader);
        }
        if !reader.take_if(EMPTY_MAP) {
            return Err(MalformedDocument::UnprotectedHeader);
        }
        // 4: payload and signature, and no bytes after them
        let payload = reader.bytes().map_err(MalformedDocument::Payload)?;
        let signature = reader.bytes().map_err(MalformedDocument::Signature)?;
        if signature.len() != SIGNATURE_LENGTH {
            return Err(MalformedDocument::SignatureLength { length: signature.len() });
        }
        match reader.remaining() {
            0 => Ok(Self { payload, signature }),
            count => Err(MalformedDocument::TrailingBytes { count }),
        }
    }
}

/// Returns the error for bytes that are a known mistake of client tools instead of CBOR.
///
/// The AWS CLI v1 sends `fileb://...` literally, and encodes inline base64 a second time.
fn mistaken_encoding(document: &[u8]) -> Option<MalformedDocument> {
    const FILE_PREFIXES: [&[u8]; 2] = [b"fileb://", b"file://"];
    // 84 44 A1 01 and D2 84 44 in base64; 84 44 A1 in hexadecimal.
    const BASE64_PREFIXES: [&[u8]; 2] = [b"hESh", b"0oRE"];
    const HEX_PREFIXES: [&[u8]; 3] = [b"8444a1", b"8444A1", b"d28444"];
    let begins = |prefixes: &[&[u8]]| prefixes.iter().any(|prefix| document.starts_with(prefix));
    if begins(&FILE_PREFIXES) {
        Some(MalformedDocument::FileReference)
    } else if begins(&BASE64_PREFIXES) {
        Some(MalformedDocument::EncodedTwice { encoding: "base64" })
    } else if begins(&HEX_PREFIXES) {
        Some(MalformedDocument::EncodedTwice { encoding: "hexadecimal" })
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(parts: &[&[u8]]) -> Vec<u8> {
        parts.concat()
    }

    const SIGNATURE: [u8; 98] = {
        let mut bytes = [0; 98];
        bytes[0] = 0x58;
        bytes[1] = 96;
        bytes
    };

    #[test]
    fn accepts_untagged_and_tagged_cose_sign1() {
        let untagged = document(&[&[0x84], &PROTECTED_HEADER, &[0xa0, 0x41, 0xa0], &SIGNATURE]);
        assert_eq!(CoseSign1::parse(&untagged).unwrap().payload, 8..9);
        let tagged = document(&[&[0xd2], &untagged]);
        assert_eq!(CoseSign1::parse(&tagged).unwrap().payload, 9..10);
    }

    #[test]
    fn accepts_the_longest_document() {
        let payload = vec![0; MAX_DOCUMENT_LENGTH - 1 - 5 - 1 - 3 - SIGNATURE.len()];
        let [.., high, low] = payload.len().to_be_bytes();
        let bytes = [&[0x59, high, low], &payload[..]].concat();
        let longest = document(&[&[0x84], &PROTECTED_HEADER, &[0xa0], &bytes, &SIGNATURE]);
        assert_eq!(longest.len(), MAX_DOCUMENT_LENGTH);
        assert_eq!(CoseSign1::parse(&longest).unwrap().payload.len(), payload.len());
    }

    #[test]
    fn rejects_each_other_form_by_its_rule() {
        let protected = &PROTECTED_HEADER[..];
        let good = document(&[&[0x84], protected, &[0xa0, 0x41, 0xa0], &SIGNATURE]);
        let cases: [(Vec<u8>, MalformedDocument); 10] = [
            (vec![], MalformedDocument::Empty),
            (vec![0; 16 * 1024 + 1], MalformedDocument::TooLong { length: 16 * 1024 + 1 }),
            (document(&[&[0xd2, 0xd2], &good]), MalformedDocument::NotCoseSign1),
            (document(&[&[0x85], &good[1..]]), MalformedDocument::NotCoseSign1),
            (document(&[&[0x84, 0x40], &good[6..]]), MalformedDocument::ProtectedHeader),
            (
                document(&[&[0x84], protected, &[0xf6], &good[7..]]),
                MalformedDocument::UnprotectedHeader,
            ),
            (
                document(&[&[0x84], protected, &[0xa0, 0x41, 0xa0, 0x41, 0x00]]),
                MalformedDocument::SignatureLength { length: 1 },
            ),
            (document(&[&good, &[0]]), MalformedDocument::TrailingBytes { count: 1 }),
            (b"fileb://document.bin".to_vec(), MalformedDocument::FileReference),
            (b"hEShATgioFkRXb9p".to_vec(), MalformedDocument::EncodedTwice { encoding: "base64" }),
        ];
        for (bytes, expected) in cases {
            assert_eq!(CoseSign1::parse(&bytes).unwrap_err(), expected);
        }
    }

    #[test]
    fn rejects_truncated_document_at_any_length() {
        let good = document(&[&[0x84], &PROTECTED_HEADER, &[0xa0, 0x41, 0xa0], &SIGNATURE]);
        for length in 0..good.len() {
            assert!(CoseSign1::parse(&good[..length]).is_err(), "{length}");
        }
    }
}
