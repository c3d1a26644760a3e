//! The chain from a trust anchor to the leaf: rules 9 to 13 and 15.

use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use super::certificate::Certificate;
use super::error::UntrustedDocument;
use super::position::ChainPosition;
use super::trust::{Trust, TrustAnchors};
use crate::crypto;
use crate::time::UnixMillis;

/// A chain whose every certificate is in its place, with no signature checked yet.
#[derive(Debug)]
pub(super) struct Chain<'a> {
    /// Root, then each issued by the one before it.
    cas: Vec<Certificate<'a>>,
    leaf: Certificate<'a>,
}

impl<'a> Chain<'a> {
    /// Rules 9 to 11 over `cabundle` (2 to 5 certificates, the root first) and the leaf.
    pub(super) fn arrange(
        cabundle: impl Iterator<Item = &'a [u8]>,
        leaf: &'a [u8],
    ) -> Result<Self, UntrustedDocument> {
        let cas = cabundle
            .enumerate()
            .map(|(index, der)| Certificate::parse(der, ChainPosition::Cabundle(index)))
            .collect::<Result<Vec<_>, _>>()?;
        let leaf = Certificate::parse(leaf, ChainPosition::Leaf)?;
        let chain = Self { cas, leaf };
        chain.check_roles()?;
        chain.check_order()?;
        Ok(chain)
    }

    pub(super) fn leaf(&self) -> &Certificate<'a> {
        &self.leaf
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Certificate<'a>> {
        self.cas.iter().chain([&self.leaf])
    }

    /// Rule 10.
    fn check_roles(&self) -> Result<(), UntrustedDocument> {
        for (below, ca) in (0..).zip(self.cas.iter().rev()) {
            // The root may, and AWS's does, allow any path length; those below it count the CAs
            // between themselves and the leaf.
            ca.check_ca(below)?;
        }
        self.leaf.check_leaf()
    }

    /// Rule 11. Distinct subjects leave a path library exactly one path to try.
    fn check_order(&self) -> Result<(), UntrustedDocument> {
        let mut issuer = None;
        for (index, certificate) in self.iter().enumerate() {
            let expected = issuer.unwrap_or_else(|| certificate.subject());
            let position = certificate.position;
            if certificate.issuer() != expected {
                return Err(UntrustedDocument::ChainOrder { certificate: position });
            }
            if self.iter().take(index).any(|above| above.subject() == certificate.subject()) {
                return Err(UntrustedDocument::RepeatedSubject { certificate: position });
            }
            issuer = Some(certificate.subject());
        }
        Ok(())
    }

    /// Rule 12.
    pub(super) fn check_anchor<T: Trust>(
        &self,
        anchors: &TrustAnchors<T>,
    ) -> Result<(), UntrustedDocument> {
        match self.cas.first() {
            Some(root) if anchors.contains(&root.der()) => Ok(()),
            _ => Err(UntrustedDocument::UnknownRoot),
        }
    }

    /// Rule 13. A path library takes an anchor's own validity for granted.
    pub(super) fn check_validity(&self, at: UnixMillis) -> Result<(), UntrustedDocument> {
        self.iter().try_for_each(|certificate| certificate.check_validity(at))
    }

    /// Rule 15: one signature for each certificate but the root.
    pub(super) fn verify_signatures(&self, at: UnixMillis) -> Result<(), UntrustedDocument> {
        let mut ders = self.cas.iter().map(Certificate::der);
        let root = ders.next().ok_or(UntrustedDocument::ChainPath)?;
        let intermediates: Vec<CertificateDer<'a>> = ders.collect();
        let anchor =
            webpki::anchor_from_trusted_cert(&root).map_err(|_| UntrustedDocument::ChainPath)?;
        let leaf = self.leaf.der();
        EndEntityCert::try_from(&leaf)
            .and_then(|leaf| {
                leaf.verify_for_usage(
                    &[crypto::ECDSA_P384_SHA384],
                    &[anchor],
                    &intermediates,
                    UnixTime::since_unix_epoch(std::time::Duration::from_secs(at.as_secs())),
                    // Asks for the purpose only of certificates that state purposes; AWS's do not.
                    KeyUsage::client_auth(),
                    None,
                    None,
                )
                .map(drop)
            })
            .map_err(|error| match error {
                webpki::Error::InvalidSignatureForPublicKey => UntrustedDocument::ChainSignature,
                _ => UntrustedDocument::ChainPath,
            })
    }
}
