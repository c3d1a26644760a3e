//! Rules 9 to 12 and 15: the chain from a trust anchor to the leaf.

use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use super::cache_hit::CacheHit;
use super::certificate::Certificate;
use super::chain_position::ChainPosition;
use super::signature_cache::{SignatureCache, cache_key};
use super::trust_anchors::{Trust, TrustAnchors};
use super::untrusted_document::UntrustedDocument;
use super::validity::ChainValidity;
use crate::crypto;
use crate::time::UnixMillis;

/// A chain of certificates that satisfies rules 9 to 11. No signature is verified yet.
#[derive(Debug)]
pub(super) struct Chain<'a> {
    /// The CAs. The first is the root, and each issues the next.
    cas: Vec<Certificate<'a>>,
    leaf: Certificate<'a>,
}

impl<'a> Chain<'a> {
    /// Parses `cabundle` (2 to 5 certificates, the root first) and the leaf, and checks rules 9 to 11.
    pub(super) fn parse(
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

    /// Returns the leaf.
    pub(super) fn leaf(&self) -> &Certificate<'a> {
        &self.leaf
    }

    /// Iterates from the root to the leaf.
    fn iter(&self) -> impl Iterator<Item = &Certificate<'a>> {
        self.cas.iter().chain([&self.leaf])
    }

    /// Checks rule 10.
    fn check_roles(&self) -> Result<(), UntrustedDocument> {
        for (below, ca) in (0..).zip(self.cas.iter().rev()) {
            // AWS's root has no path length. The other CAs limit the number of CAs between them and the leaf.
            ca.check_ca(below)?;
        }
        self.leaf.check_leaf()
    }

    /// Checks rule 11. If all subjects are distinct, rustls-webpki has exactly one path to try.
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

    /// Checks rule 12.
    pub(super) fn check_anchor<T: Trust>(
        &self,
        anchors: &TrustAnchors<T>,
    ) -> Result<(), UntrustedDocument> {
        match self.cas.first() {
            Some(root) if anchors.contains(&root.der()) => Ok(()),
            _ => Err(UntrustedDocument::UnknownRoot),
        }
    }

    /// Returns the validity periods of the certificates.
    pub(super) fn validity(&self) -> ChainValidity {
        self.iter().map(Certificate::validity).collect()
    }

    /// Checks rule 15. Verifies the signature of each certificate below the root, except cached signatures.
    pub(super) fn verify_signatures(
        &self,
        chains: &SignatureCache<()>,
        leaves: &SignatureCache<()>,
        at: UnixMillis,
    ) -> Result<CacheHit, UntrustedDocument> {
        let mut hit = CacheHit::Leaf;
        leaves.get_or_verify(
            || cache_key(self.iter().map(Certificate::as_bytes)),
            || {
                hit = self.verify_uncached_leaf(chains, at)?;
                Ok(())
            },
        )?;
        Ok(hit)
    }

    fn verify_uncached_leaf(
        &self,
        chains: &SignatureCache<()>,
        at: UnixMillis,
    ) -> Result<CacheHit, UntrustedDocument> {
        if self.cas.iter().any(Certificate::constrains_names) {
            // Name constraints make the result for the CAs depend on the leaf, so the result cannot be cached
            // for other leaves.
            return self.verify_all(at);
        }
        let key = || cache_key(self.cas.iter().map(Certificate::as_bytes));
        let mut own_result = None;
        let shared_result = chains.get_or_verify(key, || {
            let result = self.verify_all(at);
            own_result = Some(result.clone());
            result.map(drop)
        });
        match (own_result, shared_result) {
            (Some(result), _) => result,
            (None, Ok(())) => self.verify_path(self.cas.last(), &[], at).map(|()| CacheHit::Chain),
            // Another thread rejected these CAs with another leaf. The result may differ for this leaf.
            (None, Err(_)) => self.verify_all(at).inspect(|_| chains.insert(key, ())),
        }
    }

    /// Verifies the signature of every certificate below the root.
    fn verify_all(&self, at: UnixMillis) -> Result<CacheHit, UntrustedDocument> {
        let (root, intermediates) = self.cas.split_first().unzip();
        self.verify_path(root, intermediates.unwrap_or_default(), at)?;
        Ok(CacheHit::Miss)
    }

    /// Verifies the signatures of `intermediates` and of the leaf. `anchor` issued the first of these
    /// certificates.
    fn verify_path(
        &self,
        anchor: Option<&Certificate<'a>>,
        intermediates: &[Certificate<'a>],
        at: UnixMillis,
    ) -> Result<(), UntrustedDocument> {
        let anchor = anchor.ok_or(UntrustedDocument::InvalidChainPath)?.der();
        let intermediates: Vec<CertificateDer<'a>> =
            intermediates.iter().map(Certificate::der).collect();
        let anchor = webpki::anchor_from_trusted_cert(&anchor)
            .map_err(|_| UntrustedDocument::InvalidChainPath)?;
        let leaf = self.leaf.der();
        EndEntityCert::try_from(&leaf)
            .and_then(|leaf| {
                leaf.verify_for_usage(
                    &[crypto::ECDSA_P384_SHA384],
                    &[anchor],
                    &intermediates,
                    UnixTime::since_unix_epoch(std::time::Duration::from_secs(at.as_secs())),
                    // rustls-webpki requires this usage only of certificates with extKeyUsage. AWS's
                    // certificates do not have extKeyUsage.
                    KeyUsage::client_auth(),
                    None,
                    None,
                )
                .map(drop)
            })
            .map_err(|error| match error {
                webpki::Error::InvalidSignatureForPublicKey => UntrustedDocument::ChainSignature,
                _ => UntrustedDocument::InvalidChainPath,
            })
    }
}
