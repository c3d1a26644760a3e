//! What one certificate must be, by the shape of AWS's own: every rule that a general path library
//! does not enforce, or enforces only for the web.

use rsa::pkcs8::der::asn1::{AnyRef, GeneralizedTime, UtcTime};
use rsa::pkcs8::der::{self, Decode, Reader, SliceReader, Tag};
use rustls_pki_types::CertificateDer;
use x509_parser::certificate::{BasicExtension, X509Certificate};
use x509_parser::extensions::{BasicConstraints, KeyUsage};
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

/// One certificate of a chain, decoded, of the right form.
#[derive(Debug)]
pub(super) struct Certificate<'a> {
    pub(super) position: ChainPosition,
    der: &'a [u8],
    x509: X509Certificate<'a>,
}

impl<'a> Certificate<'a> {
    /// Rule 9.
    pub(super) fn parse(der: &'a [u8], position: ChainPosition) -> Result<Self, UntrustedDocument> {
        let certificate = position;
        let x509 = match X509Certificate::from_der(der) {
            Ok(([], x509))
                if x509.version() == X509Version::V3
                    && has_der_times(x509.tbs_certificate.as_ref()) == Ok(true) =>
            {
                x509
            }
            _ => return Err(UntrustedDocument::CertificateEncoding { certificate }),
        };
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
        Ok(Self { position, der, x509 })
    }

    pub(super) fn der(&self) -> CertificateDer<'a> {
        CertificateDer::from(self.der)
    }

    /// The public key as an uncompressed point.
    pub(super) fn public_key(&self) -> &[u8] {
        &self.x509.public_key().subject_public_key.data
    }

    /// The subject as DER. The order of its parts differs within one genuine chain.
    pub(super) fn subject(&self) -> &[u8] {
        self.x509.subject().as_raw()
    }

    pub(super) fn issuer(&self) -> &[u8] {
        self.x509.issuer().as_raw()
    }

    fn basic_constraints(&self) -> Option<BasicExtension<&BasicConstraints>> {
        self.x509.basic_constraints().ok().flatten()
    }

    fn key_usage(&self) -> Option<&KeyUsage> {
        self.x509.key_usage().ok().flatten().map(|extension| extension.value)
    }

    /// Rule 10, for a CA above `below` other CAs.
    pub(super) fn check_ca(&self, below: u32) -> Result<(), UntrustedDocument> {
        let certificate = self.position;
        let constraints = match self.basic_constraints() {
            Some(extension) if extension.critical && extension.value.ca => extension.value,
            _ => return Err(UntrustedDocument::NotCa { certificate }),
        };
        if !self.key_usage().is_some_and(KeyUsage::key_cert_sign) {
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
        match self.x509.basic_constraints() {
            Ok(None) => {}
            Ok(Some(extension)) if !extension.value.ca => {}
            _ => return Err(UntrustedDocument::LeafIsCa),
        }
        if self.key_usage().is_some_and(KeyUsage::digital_signature) {
            Ok(())
        } else {
            Err(UntrustedDocument::LeafMayNotSign)
        }
    }

    /// Rule 13: valid from the first to the last second of its validity, both included.
    pub(super) fn check_validity(&self, at: UnixMillis) -> Result<(), UntrustedDocument> {
        let certificate = self.position;
        let (not_before, not_after) = self.validity();
        if at.as_secs() < not_before.as_secs() {
            return Err(UntrustedDocument::CertificateNotYetValid { certificate, not_before, at });
        }
        if at.as_secs() > not_after.as_secs() {
            return Err(UntrustedDocument::CertificateExpired { certificate, not_after, at });
        }
        Ok(())
    }

    /// notBefore and notAfter.
    pub(super) fn validity(&self) -> (UnixMillis, UnixMillis) {
        let validity = self.x509.validity();
        (since_epoch(validity.not_before), since_epoch(validity.not_after))
    }
}

/// Before 1970 reads as 1970.
fn since_epoch(time: ASN1Time) -> UnixMillis {
    UnixMillis::from_secs(u64::try_from(time.timestamp()).unwrap_or(0))
}

/// RFC 5280 section 4.1.2.5: whole seconds in UTC, as UTCTime up to 2049 and as GeneralizedTime from
/// then on. The general parser takes more.
fn has_der_times(to_be_signed: &[u8]) -> der::Result<bool> {
    let in_validity = |reader: &mut SliceReader<'_>| -> der::Result<bool> {
        Ok(is_der_time(reader)? && is_der_time(reader)?)
    };
    SliceReader::new(to_be_signed)?.sequence(|reader| -> der::Result<bool> {
        // Version, serial number, signature, issuer.
        for _ in 0..4 {
            AnyRef::decode(reader)?;
        }
        let has_der_times = reader.sequence(in_validity)?;
        reader.drain(reader.remaining_len())?;
        Ok(has_der_times)
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
