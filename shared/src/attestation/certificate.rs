//! What one certificate must be, by the shape of AWS's own: every rule that a general path library
//! does not enforce, or enforces only for the web.

use std::borrow::Cow;

use rsa::pkcs8::der::asn1::{GeneralizedTime, UtcTime};
use rsa::pkcs8::der::{self, Decode, Reader, SliceReader, Tag};
use rustls_pki_types::CertificateDer;
use x509_parser::certificate::{X509Certificate, X509CertificateParser};
use x509_parser::extensions::{BasicConstraints, KeyUsage};
use x509_parser::nom::Parser;
use x509_parser::oid_registry::{
    OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_SIG_ECDSA_WITH_SHA384,
    OID_X509_EXT_BASIC_CONSTRAINTS, OID_X509_EXT_KEY_USAGE, Oid,
};
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;
use x509_parser::x509::{AlgorithmIdentifier, X509Version};

use super::error::{ChainPosition, UntrustedDocument};
use crate::time::UnixMillis;

/// An uncompressed P-384 point: 0x04, x, y (SEC 1 section 2.3.3).
const P384_POINT_LENGTH: usize = 97;
const UNCOMPRESSED: u8 = 0x04;
const FIRST_YEAR_OF_GENERALIZED_TIME: u16 = 2050;

/// What matters of one certificate of a chain, which is of the right form. The rest of what was
/// decoded is dropped: a stranger decides how much it is.
#[derive(Debug)]
pub(super) struct Certificate<'a> {
    pub(super) position: ChainPosition,
    der: &'a [u8],
    issuer: &'a [u8],
    subject: &'a [u8],
    not_before: UnixMillis,
    not_after: UnixMillis,
    public_key: Cow<'a, [u8]>,
    basic_constraints: Option<BasicConstraintsExtension>,
    key_usage: Option<KeyUsage>,
}

/// The extension basicConstraints, or what stands in its place.
#[derive(Debug)]
struct BasicConstraintsExtension {
    critical: bool,
    /// `None` if they cannot be read, or are there twice.
    constraints: Option<BasicConstraints>,
}

impl<'a> Certificate<'a> {
    /// Rule 9.
    pub(super) fn parse(der: &'a [u8], position: ChainPosition) -> Result<Self, UntrustedDocument> {
        let certificate = position;
        let (x509, Names { issuer, subject }) =
            decode(der).ok_or(UntrustedDocument::CertificateEncoding { certificate })?;
        if !is_ecdsa_with_sha384(&x509.signature_algorithm)
            || !is_ecdsa_with_sha384(&x509.tbs_certificate.signature)
        {
            return Err(UntrustedDocument::CertificateAlgorithm { certificate });
        }
        if !has_p384_key(&x509) {
            return Err(UntrustedDocument::CertificateKey { certificate });
        }
        let is_known = |oid: &Oid<'_>| {
            *oid == OID_X509_EXT_BASIC_CONSTRAINTS || *oid == OID_X509_EXT_KEY_USAGE
        };
        if x509.extensions().iter().any(|extension| extension.critical && !is_known(&extension.oid))
        {
            return Err(UntrustedDocument::CriticalExtension { certificate });
        }
        Ok(Self {
            position,
            der,
            issuer,
            subject,
            not_before: since_epoch(x509.validity().not_before),
            not_after: since_epoch(x509.validity().not_after),
            basic_constraints: basic_constraints(&x509),
            key_usage: key_usage(&x509),
            public_key: x509.tbs_certificate.subject_pki.subject_public_key.data,
        })
    }

    pub(super) fn der(&self) -> CertificateDer<'a> {
        CertificateDer::from(self.der)
    }

    /// The public key as an uncompressed point.
    pub(super) fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    /// The subject as DER. The order of its parts differs within one genuine chain.
    pub(super) fn subject(&self) -> &'a [u8] {
        self.subject
    }

    pub(super) fn issuer(&self) -> &'a [u8] {
        self.issuer
    }

    /// Rule 10, for a CA above `below` other CAs.
    pub(super) fn check_ca(&self, below: u32) -> Result<(), UntrustedDocument> {
        let certificate = self.position;
        let constraints = match &self.basic_constraints {
            Some(BasicConstraintsExtension { critical: true, constraints: Some(constraints) })
                if constraints.ca =>
            {
                constraints
            }
            _ => return Err(UntrustedDocument::NotCa { certificate }),
        };
        if !self.key_usage.as_ref().is_some_and(KeyUsage::key_cert_sign) {
            return Err(UntrustedDocument::MayNotSignCertificates { certificate });
        }
        match constraints.path_len_constraint {
            Some(allowed) if allowed < below => {
                Err(UntrustedDocument::PathLength { certificate, allowed, below })
            }
            _ => Ok(()),
        }
    }

    /// Rule 10, for the leaf. Genuine leaves have a keyUsage that is not critical; it may be
    /// either.
    pub(super) fn check_leaf(&self) -> Result<(), UntrustedDocument> {
        match &self.basic_constraints {
            None => {}
            Some(BasicConstraintsExtension { constraints: Some(constraints), .. })
                if !constraints.ca => {}
            Some(_) => return Err(UntrustedDocument::LeafIsCa),
        }
        if self.key_usage.as_ref().is_some_and(KeyUsage::digital_signature) {
            Ok(())
        } else {
            Err(UntrustedDocument::LeafMayNotSign)
        }
    }

    /// Rule 13: valid from the first to the last second of its validity, both included.
    pub(super) fn check_validity(&self, at: UnixMillis) -> Result<(), UntrustedDocument> {
        let certificate = self.position;
        let Self { not_before, not_after, .. } = *self;
        if at.as_secs() < not_before.as_secs() {
            return Err(UntrustedDocument::CertificateNotYetValid { certificate, not_before, at });
        }
        if at.as_secs() > not_after.as_secs() {
            return Err(UntrustedDocument::CertificateExpired { certificate, not_after, at });
        }
        Ok(())
    }
}

/// X.509 v3 in DER, with nothing after it. Extensions are left as they are: those that mean nothing
/// here are not worth the memory that they would take decoded.
fn decode(der: &[u8]) -> Option<(X509Certificate<'_>, Names<'_>)> {
    let mut parser = X509CertificateParser::new().with_deep_parse_extensions(false);
    let x509 = whole(parser.parse(der))?;
    let names = names_beside_der_times(der).ok()??;
    (x509.version() == X509Version::V3).then_some((x509, names))
}

fn basic_constraints(x509: &X509Certificate<'_>) -> Option<BasicConstraintsExtension> {
    match x509.get_extension_unique(&OID_X509_EXT_BASIC_CONSTRAINTS) {
        Ok(None) => None,
        Ok(Some(extension)) => Some(BasicConstraintsExtension {
            critical: extension.critical,
            constraints: whole(BasicConstraints::from_der(extension.value)),
        }),
        Err(_) => Some(BasicConstraintsExtension { critical: true, constraints: None }),
    }
}

/// `None` as well if it cannot be read, or is there twice: then nothing is allowed.
fn key_usage(x509: &X509Certificate<'_>) -> Option<KeyUsage> {
    let extension = x509.get_extension_unique(&OID_X509_EXT_KEY_USAGE).ok()??;
    whole(KeyUsage::from_der(extension.value))
}

/// What was parsed, if nothing was left over.
fn whole<T, E>(parsed: Result<(&[u8], T), E>) -> Option<T> {
    match parsed {
        Ok(([], value)) => Some(value),
        _ => None,
    }
}

/// Before 1970 reads as 1970.
fn since_epoch(time: ASN1Time) -> UnixMillis {
    UnixMillis::from_secs(u64::try_from(time.timestamp()).unwrap_or(0))
}

/// Issuer and subject as they are encoded.
struct Names<'a> {
    issuer: &'a [u8],
    subject: &'a [u8],
}

/// The names of a certificate whose times are in DER: RFC 5280 section 4.1.2.5 has whole seconds in
/// UTC, as UTCTime up to 2049 and as GeneralizedTime from then on. The general parser takes more.
fn names_beside_der_times(certificate: &[u8]) -> der::Result<Option<Names<'_>>> {
    SliceReader::new(certificate)?.sequence(|certificate| {
        let names = certificate.sequence(|to_be_signed| {
            // Version, serial number, signature.
            for _ in 0..3 {
                to_be_signed.tlv_bytes()?;
            }
            let issuer = to_be_signed.tlv_bytes()?;
            let has_der_times = to_be_signed.sequence(|validity| -> der::Result<bool> {
                Ok(is_der_time(validity)? && is_der_time(validity)?)
            })?;
            let subject = to_be_signed.tlv_bytes()?;
            to_be_signed.drain(to_be_signed.remaining_len())?;
            der::Result::Ok(has_der_times.then_some(Names { issuer, subject }))
        })?;
        certificate.drain(certificate.remaining_len())?;
        Ok(names)
    })
}

fn is_der_time(reader: &mut SliceReader<'_>) -> der::Result<bool> {
    if Tag::peek(reader)? == Tag::UtcTime {
        return UtcTime::decode(reader).map(|_| true);
    }
    let time = GeneralizedTime::decode(reader)?.to_date_time();
    Ok(time.year() >= FIRST_YEAR_OF_GENERALIZED_TIME)
}

/// RFC 5758 section 3.2: the parameters are absent.
fn is_ecdsa_with_sha384(algorithm: &AlgorithmIdentifier<'_>) -> bool {
    algorithm.algorithm == OID_SIG_ECDSA_WITH_SHA384 && algorithm.parameters.is_none()
}

fn has_p384_key(x509: &X509Certificate<'_>) -> bool {
    let key = x509.public_key();
    let curve = key.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
    let point = &key.subject_public_key;
    key.algorithm.algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY
        && curve == Some(OID_NIST_EC_P384)
        && point.unused_bits == 0
        && point.data.len() == P384_POINT_LENGTH
        && point.data.first() == Some(&UNCOMPRESSED)
}
