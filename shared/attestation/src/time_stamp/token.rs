//! The token of a time stamp: CMS SignedData (RFC 5652 section 5) with a TSTInfo (RFC 3161 section 2.4.2), in DER.

use rsa::pkcs8::der::{self, AnyRef, Decode, ErrorKind, Reader, SliceReader};
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::error::TimeStampError;
use crate::time::UnixMillis;

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// `[0]`: the explicit contents, the certificates and the signed attributes.
const CONTEXT_0: u8 = 0xa0;
/// `[1]`: revocation lists and unsigned attributes, which are not used.
const CONTEXT_1: u8 = 0xa1;

/// id-signedData, RFC 5652 section 5.1.
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
/// id-ct-TSTInfo, RFC 3161 section 2.4.2.
const TST_INFO: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04];
/// id-contentType, RFC 5652 section 11.1.
const CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03];
/// id-messageDigest, RFC 5652 section 11.2.
const MESSAGE_DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04];

/// The values of PKIStatus with a token: granted, and grantedWithMods.
const GRANTED: [&[u8]; 2] = [&[0], &[1]];

/// A digest algorithm of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MessageDigest {
    Sha256,
    Sha384,
    Sha512,
}

/// A token whose form was checked. Its signature was not verified.
pub(super) struct Token<'a> {
    /// The time of the token.
    pub(super) time: UnixMillis,
    /// The SHA-256 digest of the stamped bytes.
    pub(super) imprint: &'a [u8],
    pub(super) certificates: Vec<&'a [u8]>,
    /// The digest algorithm of the signature.
    pub(super) digest: MessageDigest,
    /// The signed bytes. They contain the digest of the time and the imprint.
    pub(super) signed_attributes: Vec<u8>,
    pub(super) signature: &'a [u8],
}

/// The content of a SignerInfo.
struct Signer<'a> {
    digest: MessageDigest,
    /// The attributes as `[0]`.
    attributes: &'a [u8],
    message_digest: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Token<'a> {
    /// Parses a TimeStampResp or a TimeStampToken.
    pub(super) fn parse(time_stamp: &'a [u8]) -> Result<Self, TimeStampError> {
        let token = match response(time_stamp) {
            Ok(Some(Some(token))) => token,
            Ok(Some(None)) => return Err(TimeStampError::Refused),
            Ok(None) => time_stamp,
            Err(_) => return Err(TimeStampError::Form),
        };
        content_info(token).map_err(|_| TimeStampError::Form)
    }
}

/// Returns the token of a TimeStampResp. Returns `None` if the bytes are something else.
fn response(bytes: &[u8]) -> der::Result<Option<Option<&[u8]>>> {
    let mut reader = whole(bytes, SEQUENCE)?;
    if peek(&reader) != Some(SEQUENCE) {
        return Ok(None);
    }
    let mut status = open(&mut reader, SEQUENCE)?;
    let is_granted = GRANTED.contains(&value(&mut status, INTEGER)?);
    let token = (!reader.is_finished()).then(|| reader.tlv_bytes()).transpose()?;
    reader.finish()?;
    Ok(Some(token.filter(|_| is_granted)))
}

fn content_info(token: &[u8]) -> der::Result<Token<'_>> {
    let mut info = whole(token, SEQUENCE)?;
    require(value(&mut info, OBJECT_IDENTIFIER)? == SIGNED_DATA)?;
    let mut content = open(&mut info, CONTEXT_0)?;
    info.finish()?;
    let mut data = open(&mut content, SEQUENCE)?;
    content.finish()?;
    value(&mut data, INTEGER)?;
    value(&mut data, SET)?;
    let mut encapsulated = open(&mut data, SEQUENCE)?;
    require(value(&mut encapsulated, OBJECT_IDENTIFIER)? == TST_INFO)?;
    let mut explicit = open(&mut encapsulated, CONTEXT_0)?;
    encapsulated.finish()?;
    let tst_info = value(&mut explicit, OCTET_STRING)?;
    explicit.finish()?;
    let certificates = certificates(&mut data)?;
    skip(&mut data, CONTEXT_1)?;
    let mut signers = open(&mut data, SET)?;
    data.finish()?;
    let signer = signer(open(&mut signers, SEQUENCE)?)?;
    // One signer: RFC 3161 section 2.4.2.
    signers.finish()?;
    require(signer.digest.of(tst_info) == signer.message_digest)?;
    let (time, imprint) = time_and_imprint(tst_info)?;
    Ok(Token {
        time,
        imprint,
        certificates,
        digest: signer.digest,
        // RFC 5652 section 5.4: the signature covers the attributes as a SET.
        signed_attributes: [&[SET], signer.attributes.get(1..).unwrap_or_default()].concat(),
        signature: signer.signature,
    })
}

fn certificates<'a>(data: &mut SliceReader<'a>) -> der::Result<Vec<&'a [u8]>> {
    let mut certificates = Vec::new();
    if peek(data) == Some(CONTEXT_0) {
        let mut list = open(data, CONTEXT_0)?;
        while !list.is_finished() {
            certificates.push(list.tlv_bytes()?);
        }
    }
    Ok(certificates)
}

/// Reads a SignerInfo. Its signer identifier is not used: the key that verifies the signature is the signer.
fn signer(mut info: SliceReader<'_>) -> der::Result<Signer<'_>> {
    value(&mut info, INTEGER)?;
    info.tlv_bytes()?;
    let digest = MessageDigest::from_algorithm(&mut open(&mut info, SEQUENCE)?)?;
    let attributes = info.tlv_bytes()?;
    let message_digest = message_digest(whole(attributes, CONTEXT_0)?)?;
    // The algorithm of the signature is that of the key with the digest above.
    value(&mut info, SEQUENCE)?;
    let signature = value(&mut info, OCTET_STRING)?;
    skip(&mut info, CONTEXT_1)?;
    info.finish()?;
    Ok(Signer { digest, attributes, message_digest, signature })
}

/// Reads the signed attributes. Content type and message digest occur exactly once.
fn message_digest<'a>(mut attributes: SliceReader<'a>) -> der::Result<&'a [u8]> {
    let (mut content_types, mut digests) = (Vec::new(), Vec::new());
    while !attributes.is_finished() {
        let mut attribute = open(&mut attributes, SEQUENCE)?;
        let identifier = value(&mut attribute, OBJECT_IDENTIFIER)?;
        let mut values = open(&mut attribute, SET)?;
        attribute.finish()?;
        let list: Option<(&mut Vec<&'a [u8]>, u8)> = match identifier {
            CONTENT_TYPE => Some((&mut content_types, OBJECT_IDENTIFIER)),
            MESSAGE_DIGEST => Some((&mut digests, OCTET_STRING)),
            _ => None,
        };
        if let Some((list, tag)) = list {
            list.push(value(&mut values, tag)?);
            values.finish()?;
        }
    }
    match (&content_types[..], &digests[..]) {
        ([TST_INFO], [digest]) => Ok(digest),
        _ => Err(invalid()),
    }
}

/// Reads the time and the imprint of a TSTInfo.
fn time_and_imprint(tst_info: &[u8]) -> der::Result<(UnixMillis, &[u8])> {
    let mut info = whole(tst_info, SEQUENCE)?;
    require(value(&mut info, INTEGER)? == [1])?;
    // The policy of the authority.
    value(&mut info, OBJECT_IDENTIFIER)?;
    let mut imprint = open(&mut info, SEQUENCE)?;
    let digest = MessageDigest::from_algorithm(&mut open(&mut imprint, SEQUENCE)?)?;
    require(digest == MessageDigest::Sha256)?;
    let hash = value(&mut imprint, OCTET_STRING)?;
    imprint.finish()?;
    // The serial number.
    value(&mut info, INTEGER)?;
    let time = generalized_time(value(&mut info, GENERALIZED_TIME)?).ok_or_else(invalid)?;
    // Accuracy, ordering, nonce, name and extensions of the authority.
    while !info.is_finished() {
        info.tlv_bytes()?;
    }
    Ok((time, hash))
}

/// Parses a time in UTC (RFC 3161 section 2.4.2). A fraction of a second is omitted.
fn generalized_time(text: &[u8]) -> Option<UnixMillis> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_fraction = !fraction.is_empty() && fraction.bytes().all(|digit| digit.is_ascii_digit());
    let (date, time) = seconds.split_at_checked(8).filter(|_| is_fraction)?;
    UnixMillis::from_basic_iso8601(&format!("{date}T{time}Z"))
}

impl MessageDigest {
    /// Reads the content of an AlgorithmIdentifier with absent or NULL parameters.
    fn from_algorithm(algorithm: &mut SliceReader<'_>) -> der::Result<Self> {
        let identifier = value(algorithm, OBJECT_IDENTIFIER)?;
        require(algorithm.is_finished() || algorithm.tlv_bytes()? == [0x05, 0x00])?;
        require(algorithm.is_finished())?;
        // 2.16.840.1.101.3.4.2, RFC 5754 section 2.
        match identifier {
            [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01] => Ok(Self::Sha256),
            [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02] => Ok(Self::Sha384),
            [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03] => Ok(Self::Sha512),
            _ => Err(invalid()),
        }
    }

    fn of(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
            Self::Sha384 => Sha384::digest(bytes).to_vec(),
            Self::Sha512 => Sha512::digest(bytes).to_vec(),
        }
    }
}

fn invalid() -> der::Error {
    ErrorKind::Failed.into()
}

fn require(holds: bool) -> der::Result<()> {
    if holds { Ok(()) } else { Err(invalid()) }
}

/// Returns the tag of the next element.
fn peek(reader: &SliceReader<'_>) -> Option<u8> {
    reader.clone().read_slice(der::Length::ONE).ok()?.first().copied()
}

/// Reads an element, and returns its content.
fn value<'a>(reader: &mut SliceReader<'a>, tag: u8) -> der::Result<&'a [u8]> {
    let element = reader.tlv_bytes()?;
    require(element.first() == Some(&tag))?;
    Ok(AnyRef::from_der(element)?.value())
}

/// Reads an element, and returns a reader of its content.
fn open<'a>(reader: &mut SliceReader<'a>, tag: u8) -> der::Result<SliceReader<'a>> {
    SliceReader::new(value(reader, tag)?)
}

/// Skips an optional element.
fn skip(reader: &mut SliceReader<'_>, tag: u8) -> der::Result<()> {
    if peek(reader) == Some(tag) {
        reader.tlv_bytes()?;
    }
    Ok(())
}

/// Returns a reader of the content of an element that is all of `bytes`.
fn whole(bytes: &[u8], tag: u8) -> der::Result<SliceReader<'_>> {
    let mut reader = SliceReader::new(bytes)?;
    let content = open(&mut reader, tag)?;
    reader.finish()?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times_with_and_without_fraction() {
        let seconds = UnixMillis::from_rfc3339("2026-02-03T10:12:02Z");
        for text in ["20260203101202Z", "20260203101202.4Z", "20260203101202.437000Z"] {
            assert_eq!(generalized_time(text.as_bytes()), seconds, "{text}");
        }
        for text in [
            "20260203101202",
            "202602031012Z",
            "20260203101202.Z",
            "20260203101202.xZ",
            "Z",
            "20260203101202+0100",
            "2026020310120\u{e9}Z",
            "",
        ] {
            assert_eq!(generalized_time(text.as_bytes()), None, "{text}");
        }
    }
}
