//! What one certificate must be, by the shape of AWS's own: every rule that a general path library
//! does not enforce, or enforces only for the web.

use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;

use super::document::MAX_CLOCK_SKEW_SECS;
use super::error::UntrustedDocument;
use super::judged_at::JudgedAt;
use super::position::ChainPosition;
use super::x509::X509;
use crate::time::UnixMillis;

/// The AlgorithmIdentifier ecdsa-with-SHA384, without parameters (RFC 5758 section 3.2).
const ECDSA_WITH_SHA384: [u8; 12] =
    [0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03];

/// A P-384 SubjectPublicKeyInfo (RFC 5480 section 2) up to the coordinates of its uncompressed point.
#[rustfmt::skip]
const P384_KEY: [u8; 24] = [
    0x30, 0x76,
      0x30, 0x10,
        0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
        0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22,
      0x03, 0x62, 0x00,
        0x04,
];

/// An uncompressed P-384 point: 0x04, x, y (SEC 1 section 2.3.3).
const P384_POINT_LENGTH: usize = 97;

/// One certificate of a chain, of the right form. Of what was decoded only that is kept which
/// matters: a stranger decides how much the rest is.
#[derive(Debug)]
pub(super) struct Certificate<'a> {
    pub(super) position: ChainPosition,
    der: &'a [u8],
    x509: X509<'a>,
    public_key: &'a [u8],
}

impl<'a> Certificate<'a> {
    /// Rule 9.
    pub(super) fn parse(der: &'a [u8], position: ChainPosition) -> Result<Self, UntrustedDocument> {
        let certificate = position;
        let x509 = X509::decode(der)
            .map_err(|_| UntrustedDocument::CertificateEncoding { certificate })?;
        if x509.inner_algorithm != ECDSA_WITH_SHA384 || x509.outer_algorithm != ECDSA_WITH_SHA384 {
            return Err(UntrustedDocument::CertificateAlgorithm { certificate });
        }
        let public_key =
            p384_point(x509.public_key).ok_or(UntrustedDocument::CertificateKey { certificate })?;
        if x509.extensions.unknown_critical {
            return Err(UntrustedDocument::CriticalExtension { certificate });
        }
        // What the path library cannot read is of no use, and should rather fail here than as a path.
        if EndEntityCert::try_from(&CertificateDer::from(der)).is_err() {
            return Err(UntrustedDocument::CertificateEncoding { certificate });
        }
        Ok(Self { position, der, x509, public_key })
    }

    pub(super) fn der(&self) -> CertificateDer<'a> {
        CertificateDer::from(self.der)
    }

    /// As it was received.
    pub(super) fn as_bytes(&self) -> &'a [u8] {
        self.der
    }

    /// Whether it limits the names in certificates below it.
    pub(super) fn constrains_names(&self) -> bool {
        self.x509.extensions.name_constraints
    }

    /// The public key as an uncompressed point.
    pub(super) fn public_key(&self) -> &'a [u8] {
        self.public_key
    }

    /// The subject as DER. The order of its parts differs within one genuine chain.
    pub(super) fn subject(&self) -> &'a [u8] {
        self.x509.subject
    }

    pub(super) fn issuer(&self) -> &'a [u8] {
        self.x509.issuer
    }

    /// When it is valid.
    pub(super) fn validity(&self) -> Validity {
        let X509 { not_before, not_after, .. } = self.x509;
        Validity { not_before, not_after }
    }

    /// Rule 10, for a CA above `below` other CAs.
    pub(super) fn check_ca(&self, below: u32) -> Result<(), UntrustedDocument> {
        let certificate = self.position;
        let constraints = match self.x509.extensions.basic_constraints {
            Some(constraints) if constraints.critical && constraints.ca => constraints,
            _ => return Err(UntrustedDocument::NotCa { certificate }),
        };
        if !self.x509.extensions.key_usage.is_some_and(|usage| usage.key_cert_sign) {
            return Err(UntrustedDocument::MayNotSignCertificates { certificate });
        }
        match constraints.path_length {
            Some(allowed) if allowed < below => {
                Err(UntrustedDocument::PathLength { certificate, allowed, below })
            }
            _ => Ok(()),
        }
    }

    /// Rule 10, for the leaf. Genuine leaves have a keyUsage that is not critical; it may be
    /// either.
    pub(super) fn check_leaf(&self) -> Result<(), UntrustedDocument> {
        if self.x509.extensions.basic_constraints.is_some_and(|constraints| constraints.ca) {
            return Err(UntrustedDocument::LeafIsCa);
        }
        if self.x509.extensions.key_usage.is_some_and(|usage| usage.digital_signature) {
            Ok(())
        } else {
            Err(UntrustedDocument::LeafMayNotSign)
        }
    }
}

/// From the first to the last second, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) not_before: UnixMillis,
    pub(super) not_after: UnixMillis,
}

impl Validity {
    /// Rule 13, for the certificate whose validity it is. A clock may be behind AWS's, which issues a
    /// leaf 3 s before the document that it signs first: so notBefore has the leeway of the document's
    /// timestamp. notAfter has none.
    pub(super) fn check(
        self,
        certificate: ChainPosition,
        at: JudgedAt,
    ) -> Result<(), UntrustedDocument> {
        let Self { not_before, not_after } = self;
        let seconds = at.reading.time.as_secs();
        if seconds.saturating_add(MAX_CLOCK_SKEW_SECS) < not_before.as_secs() {
            return Err(UntrustedDocument::CertificateNotYetValid { certificate, not_before, at });
        }
        if seconds > not_after.as_secs() {
            return Err(UntrustedDocument::CertificateExpired { certificate, not_after, at });
        }
        Ok(())
    }
}

/// The uncompressed point of a P-384 key.
fn p384_point(public_key: &[u8]) -> Option<&[u8]> {
    if !public_key.starts_with(&P384_KEY) {
        return None;
    }
    // The prefix ends with the point's first byte.
    let point = public_key.get(P384_KEY.len() - 1..)?;
    (point.len() == P384_POINT_LENGTH).then_some(point)
}
