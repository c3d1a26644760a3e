//! A strict reader for X.509 v3 certificates in DER (RFC 5280 section 4.1).
//!
//! The reader accepts exactly one encoding of each decoded part, and no bytes between or after the parts.
//! General parsers are more lenient.

use rsa::pkcs8::der::asn1::{
    AnyRef, BitStringRef, GeneralizedTime, OctetStringRef, UintRef, UtcTime,
};
use rsa::pkcs8::der::{self, Decode, ErrorKind, Reader, SliceReader, Tag, Tagged};

use crate::time::UnixMillis;

/// `[0] { INTEGER 2 }`: version 3.
const VERSION_3: [u8; 5] = [0xa0, 3, 2, 1, 2];
/// Maximum length of a serial number in bytes, without a leading zero byte (RFC 5280 section 4.1.2.2).
const MAX_SERIAL_LENGTH: usize = 20;
/// The tag of `extensions [3]`. The other optional parts, unique identifiers, are rejected: AWS's
/// certificates have none.
const EXTENSIONS: u8 = 0xa3;
const FIRST_YEAR_OF_GENERALIZED_TIME: u16 = 2050;

/// The object identifier 2.5.29.19.
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
/// The object identifier 2.5.29.15.
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
/// The object identifier 2.5.29.30.
const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 30];

/// The parts of a certificate that the rules use.
#[derive(Debug)]
pub(super) struct X509<'a> {
    /// The signed AlgorithmIdentifier, DER.
    pub(super) inner_algorithm: &'a [u8],
    /// The AlgorithmIdentifier next to the signature, DER. The signature does not cover it.
    pub(super) outer_algorithm: &'a [u8],
    pub(super) issuer: &'a [u8],
    pub(super) subject: &'a [u8],
    pub(super) not_before: UnixMillis,
    pub(super) not_after: UnixMillis,
    /// The SubjectPublicKeyInfo, DER.
    pub(super) public_key: &'a [u8],
    pub(super) extensions: Extensions,
}

/// The content of the extensions.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    pub(super) basic_constraints: Option<BasicConstraints>,
    pub(super) key_usage: Option<KeyUsage>,
    /// True if the certificate has name constraints (RFC 5280 section 4.2.1.10).
    pub(super) name_constraints: bool,
    pub(super) unknown_critical: bool,
}

/// The extension basicConstraints (RFC 5280 section 4.2.1.9).
#[derive(Clone, Copy, Debug)]
pub(super) struct BasicConstraints {
    pub(super) critical: bool,
    pub(super) ca: bool,
    pub(super) path_length: Option<u32>,
}

/// The two bits of the extension keyUsage (RFC 5280 section 4.2.1.3) that the rules use.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyUsage {
    pub(super) digital_signature: bool,
    pub(super) key_cert_sign: bool,
}

/// Returns the error for a well-formed element with a value that is not allowed.
fn invalid_value() -> der::Error {
    ErrorKind::Failed.into()
}

fn require(holds: bool) -> der::Result<()> {
    if holds { Ok(()) } else { Err(invalid_value()) }
}

impl<'a> X509<'a> {
    pub(super) fn decode(certificate: &'a [u8]) -> der::Result<Self> {
        let mut reader = SliceReader::new(certificate)?;
        let x509 = reader.sequence(|certificate| {
            let tbs = certificate.sequence(Self::tbs_certificate)?;
            let outer_algorithm = certificate.tlv_bytes()?;
            let signature = BitStringRef::decode(certificate)?;
            require(signature.unused_bits() == 0)?;
            der::Result::Ok(Self { outer_algorithm, ..tbs })
        })?;
        reader.finish()?;
        Ok(x509)
    }

    /// Reads the TBSCertificate. The outer algorithm is not part of it and stays empty.
    fn tbs_certificate(reader: &mut SliceReader<'a>) -> der::Result<Self> {
        require(reader.tlv_bytes()? == VERSION_3)?;
        let serial = UintRef::decode(reader)?;
        require(serial.as_bytes() != [0] && serial.as_bytes().len() <= MAX_SERIAL_LENGTH)?;
        let inner_algorithm = reader.tlv_bytes()?;
        let issuer = name(reader)?;
        let (not_before, not_after) =
            reader.sequence(|validity| der::Result::Ok((time(validity)?, time(validity)?)))?;
        let subject = name(reader)?;
        let public_key = reader.tlv_bytes()?;
        let extensions = extensions(reader)?;
        let outer_algorithm = &[];
        Ok(Self {
            inner_algorithm,
            outer_algorithm,
            issuer,
            subject,
            not_before,
            not_after,
            public_key,
            extensions,
        })
    }
}

/// Reads a Name with at least one attribute. Returns its encoding.
fn name<'a>(reader: &mut SliceReader<'a>) -> der::Result<&'a [u8]> {
    let name = reader.tlv_bytes()?;
    let relative_names = AnyRef::from_der(name)?;
    require(relative_names.tag() == Tag::Sequence && !relative_names.value().is_empty())?;
    let mut relative_names = SliceReader::new(relative_names.value())?;
    while !relative_names.is_finished() {
        let attributes = AnyRef::decode(&mut relative_names)?;
        require(attributes.tag() == Tag::Set && !attributes.value().is_empty())?;
        let mut attributes = SliceReader::new(attributes.value())?;
        while !attributes.is_finished() {
            attributes.sequence(|attribute| {
                object_identifier(attribute)?;
                AnyRef::decode(attribute)
            })?;
        }
    }
    Ok(name)
}

/// Reads an OBJECT IDENTIFIER of any length. Returns its content.
///
/// Each arc must be complete and without leading zeros (X.690 section 8.19.2).
fn object_identifier<'a>(reader: &mut SliceReader<'a>) -> der::Result<&'a [u8]> {
    let identifier = AnyRef::decode(reader)?;
    let bytes = identifier.value();
    require(identifier.tag() == Tag::ObjectIdentifier)?;
    require(bytes.last().is_some_and(|last| last & 0x80 == 0))?;
    let mut arcs = bytes.split_inclusive(|byte| byte & 0x80 == 0);
    require(arcs.all(|arc| arc.first() != Some(&0x80)))?;
    Ok(bytes)
}

/// Reads a time (RFC 5280 section 4.1.2.5): whole seconds in UTC, as UTCTime up to 2049 and as GeneralizedTime
/// later. Times before 1970 are rejected.
fn time(reader: &mut SliceReader<'_>) -> der::Result<UnixMillis> {
    let since_epoch = if Tag::peek(reader)? == Tag::UtcTime {
        UtcTime::decode(reader)?.to_unix_duration()
    } else {
        let time = GeneralizedTime::decode(reader)?;
        require(time.to_date_time().year() >= FIRST_YEAR_OF_GENERALIZED_TIME)?;
        time.to_unix_duration()
    };
    Ok(UnixMillis::from_secs(since_epoch.as_secs()))
}

/// Reads the extensions (RFC 5280 section 4.2). An extension may occur only once. The values of unused
/// extensions are not decoded.
fn extensions(reader: &mut SliceReader<'_>) -> der::Result<Extensions> {
    let explicit = reader.tlv_bytes()?;
    require(explicit.first() == Some(&EXTENSIONS))?;
    let list = AnyRef::from_der(explicit)?.value();
    let mut extensions = Extensions::default();
    let mut seen: Vec<&[u8]> = Vec::new();
    let mut reader = SliceReader::new(list)?;
    reader.sequence(|list| {
        require(!list.is_finished())?;
        while !list.is_finished() {
            let identifier = list.sequence(|extension| extensions.read(extension))?;
            require(!seen.contains(&identifier))?;
            seen.push(identifier);
        }
        der::Result::Ok(())
    })?;
    reader.finish()?;
    Ok(extensions)
}

impl Extensions {
    fn read<'a>(&mut self, reader: &mut SliceReader<'a>) -> der::Result<&'a [u8]> {
        let identifier = object_identifier(reader)?;
        let critical = default_false(reader)?;
        let value = <&OctetStringRef>::decode(reader)?.as_bytes();
        match identifier {
            BASIC_CONSTRAINTS => self.basic_constraints = Some(basic_constraints(critical, value)?),
            KEY_USAGE => self.key_usage = Some(key_usage(value)?),
            _ => {
                self.name_constraints |= identifier == NAME_CONSTRAINTS;
                self.unknown_critical |= critical;
            }
        }
        Ok(identifier)
    }
}

/// Reads a BOOLEAN DEFAULT FALSE. DER omits the default value (X.690 section 11.5), so FALSE is rejected.
fn default_false(reader: &mut SliceReader<'_>) -> der::Result<bool> {
    match Option::<bool>::decode(reader)? {
        Some(false) => Err(invalid_value()),
        value => Ok(value.is_some()),
    }
}

fn basic_constraints(critical: bool, value: &[u8]) -> der::Result<BasicConstraints> {
    let mut reader = SliceReader::new(value)?;
    let (ca, path_length) = reader.sequence(|constraints| {
        // One byte suffices: rustls-webpki rejects longer values, and chains have at most 6 certificates.
        der::Result::Ok((default_false(constraints)?, Option::<u8>::decode(constraints)?))
    })?;
    reader.finish()?;
    // RFC 5280 section 4.2.1.9: only a CA has a path length.
    require(ca || path_length.is_none())?;
    Ok(BasicConstraints { critical, ca, path_length: path_length.map(u32::from) })
}

/// Reads a list of named bits. The last encoded bit must be set (X.690 section 11.2.2).
fn key_usage(value: &[u8]) -> der::Result<KeyUsage> {
    let bits = BitStringRef::from_der(value)?;
    let unused = u32::from(bits.unused_bits());
    require(bits.raw_bytes().last().is_some_and(|last| last.trailing_zeros() == unused))?;
    let first = bits.raw_bytes().first().copied().unwrap_or_default();
    Ok(KeyUsage { digital_signature: first & 0x80 != 0, key_cert_sign: first & 0x04 != 0 })
}
