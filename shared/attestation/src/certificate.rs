//! Rules 9 and 10 for one certificate.
//!
//! The rules follow the form of AWS's certificates. rustls-webpki, the library that verifies the path, does
//! not enforce these rules, or enforces them only for certificates of the web.

use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;

use super::chain_position::ChainPosition;
use super::untrusted_document::UntrustedDocument;
use super::validity::Validity;
use super::x509::X509;

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

/// Length of an uncompressed P-384 point, in bytes: 0x04, x, y (SEC 1 section 2.3.3).
const P384_POINT_LENGTH: usize = 97;

/// A certificate of a chain that satisfies rule 9.
///
/// The struct stores only the decoded parts that the rules use, because the sender decides how many other
/// parts exist.
#[derive(Debug)]
pub(super) struct Certificate<'a> {
    pub(super) position: ChainPosition,
    der: &'a [u8],
    x509: X509<'a>,
    public_key: &'a [u8],
}

impl<'a> Certificate<'a> {
    /// Parses a certificate and checks rule 9.
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
        // A certificate that rustls-webpki cannot read is rejected here, so that the error names this
        // certificate instead of the whole path.
        if EndEntityCert::try_from(&CertificateDer::from(der)).is_err() {
            return Err(UntrustedDocument::CertificateEncoding { certificate });
        }
        Ok(Self { position, der, x509, public_key })
    }

    /// Returns the certificate in the type that rustls-webpki uses.
    pub(super) fn der(&self) -> CertificateDer<'a> {
        CertificateDer::from(self.der)
    }

    /// Returns the received bytes.
    pub(super) fn as_bytes(&self) -> &'a [u8] {
        self.der
    }

    /// Returns whether the certificate constrains the names in certificates below it.
    pub(super) fn constrains_names(&self) -> bool {
        self.x509.extensions.name_constraints
    }

    /// Returns the public key as an uncompressed point.
    pub(super) fn public_key(&self) -> &'a [u8] {
        self.public_key
    }

    /// Returns the subject in DER. The order of its attributes differs between certificates of a genuine chain.
    pub(super) fn subject(&self) -> &'a [u8] {
        self.x509.subject
    }

    /// Returns the issuer in DER.
    pub(super) fn issuer(&self) -> &'a [u8] {
        self.x509.issuer
    }

    /// Returns the validity period.
    pub(super) fn validity(&self) -> Validity {
        let X509 { not_before, not_after, .. } = self.x509;
        Validity { not_before, not_after }
    }

    /// Checks rule 10 for a CA with `below` CAs between it and the leaf.
    pub(super) fn check_ca(&self, below: u32) -> Result<(), UntrustedDocument> {
        let certificate = self.position;
        let constraints = match self.x509.extensions.basic_constraints {
            Some(constraints) if constraints.critical && constraints.ca => constraints,
            _ => return Err(UntrustedDocument::NotCa { certificate }),
        };
        if !self.x509.extensions.key_usage.is_some_and(|usage| usage.key_cert_sign) {
            return Err(UntrustedDocument::MissingKeyCertSign { certificate });
        }
        match constraints.path_length {
            Some(allowed) if allowed < below => {
                Err(UntrustedDocument::PathLength { certificate, allowed, below })
            }
            _ => Ok(()),
        }
    }

    /// Checks rule 10 for the leaf. The extension keyUsage of genuine leaves is not critical. A critical
    /// keyUsage is accepted too.
    pub(super) fn check_leaf(&self) -> Result<(), UntrustedDocument> {
        if self.x509.extensions.basic_constraints.is_some_and(|constraints| constraints.ca) {
            return Err(UntrustedDocument::LeafIsCa);
        }
        if self.x509.extensions.key_usage.is_some_and(|usage| usage.digital_signature) {
            Ok(())
        } else {
            Err(UntrustedDocument::LeafMissingDigitalSignature)
        }
    }
}

/// Returns the uncompressed point of a P-384 key.
fn p384_point(public_key: &[u8]) -> Option<&[u8]> {
    if !public_key.starts_with(&P384_KEY) {
        return None;
    }
    // The prefix ends with the point's first byte.
    let point = public_key.get(P384_KEY.len() - 1..)?;
    (point.len() == P384_POINT_LENGTH).then_some(point)
}
