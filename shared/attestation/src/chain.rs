//! The chain from a trust anchor to the leaf: rules 9 to 13 and 15.

use std::sync::Arc;

use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use super::certificate::{Certificate, Validity};
use super::error::UntrustedDocument;
use super::judged_at::JudgedAt;
use super::known::{self, Known};
use super::position::ChainPosition;
use super::trust::{Trust, TrustAnchors};
use super::verifier::Familiarity;
use crate::crypto;
use crate::time::UnixMillis;

/// A chain whose every certificate is in its place, with no signature checked yet.
#[derive(Debug)]
pub(super) struct Chain<'a> {
    /// Root, then each issued by the one before it.
    cas: Vec<Certificate<'a>>,
    leaf: Certificate<'a>,
}

/// When the certificates of a chain are valid, the leaf last.
#[derive(Clone, Debug)]
pub(super) struct Lifetimes(Arc<[Validity]>);

impl Lifetimes {
    /// Rule 13. A path library takes an anchor's own validity for granted.
    pub(super) fn check(&self, at: JudgedAt) -> Result<(), UntrustedDocument> {
        self.iter().try_for_each(|(position, validity)| validity.check(position, at))?;
        // The leeway makes up for a clock that is behind, not for a chain that no clock could accept.
        let latest = self.iter().max_by_key(|(_, validity)| validity.not_before);
        let earliest = self.iter().min_by_key(|(_, validity)| validity.not_after);
        match (latest, earliest) {
            (
                Some((late, Validity { not_before, .. })),
                Some((early, Validity { not_after, .. })),
            ) if not_before > not_after => {
                Err(UntrustedDocument::NeverValid { late, not_before, early, not_after })
            }
            _ => Ok(()),
        }
    }

    /// The first moment not before `at` at which all certificates have begun to be valid. Where rule 13
    /// holds at `at`, all of them are valid then.
    pub(super) fn begun(&self, at: UnixMillis) -> UnixMillis {
        self.0.iter().fold(at, |begun, validity| begun.max(validity.not_before))
    }

    fn iter(&self) -> impl Iterator<Item = (ChainPosition, Validity)> {
        let leaf = self.0.len().saturating_sub(1);
        self.0.iter().enumerate().map(move |(level, validity)| {
            let is_leaf = level == leaf;
            let position =
                if is_leaf { ChainPosition::Leaf } else { ChainPosition::Cabundle(level) };
            (position, *validity)
        })
    }

    /// The leaf's: nothing it has signed is older.
    pub(super) fn of_leaf(&self) -> Option<Validity> {
        self.0.last().copied()
    }
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

    /// When its certificates are valid.
    pub(super) fn lifetimes(&self) -> Lifetimes {
        Lifetimes(self.iter().map(Certificate::validity).collect())
    }

    /// Rule 15: one signature for each certificate but the root, unless it was verified before.
    pub(super) fn verify_signatures(
        &self,
        chains: &Known<()>,
        leaves: &Known<()>,
        at: UnixMillis,
    ) -> Result<Familiarity, UntrustedDocument> {
        let mut familiarity = Familiarity::Leaf;
        leaves.verify(
            || known::name(self.iter().map(Certificate::as_bytes)),
            || {
                familiarity = self.verify_by_chain(chains, at)?;
                Ok(())
            },
        )?;
        Ok(familiarity)
    }

    /// The same for a leaf that is not known.
    fn verify_by_chain(
        &self,
        chains: &Known<()>,
        at: UnixMillis,
    ) -> Result<Familiarity, UntrustedDocument> {
        if self.cas.iter().any(Certificate::constrains_names) {
            // Then what the CAs are good for depends on the leaf.
            return self.verify_whole(at);
        }
        let name = || known::name(self.cas.iter().map(Certificate::as_bytes));
        let mut first = None;
        let known = chains.verify(name, || {
            let whole = self.verify_whole(at);
            first = Some(whole.clone());
            whole.map(drop)
        });
        match (first, known) {
            (Some(whole), _) => whole,
            (None, Ok(())) => {
                self.verify_path(self.cas.last(), &[], at).map(|()| Familiarity::Chain)
            }
            // Somebody else's leaf was refused with the chain, which says nothing of this one.
            (None, Err(_)) => self.verify_whole(at).inspect(|_| chains.remember(name, ())),
        }
    }

    /// All signatures.
    fn verify_whole(&self, at: UnixMillis) -> Result<Familiarity, UntrustedDocument> {
        let (root, intermediates) = self.cas.split_first().unzip();
        self.verify_path(root, intermediates.unwrap_or_default(), at)?;
        Ok(Familiarity::Nothing)
    }

    /// The signatures of `intermediates`, the first of which `anchor` has signed, and of the leaf.
    fn verify_path(
        &self,
        anchor: Option<&Certificate<'a>>,
        intermediates: &[Certificate<'a>],
        at: UnixMillis,
    ) -> Result<(), UntrustedDocument> {
        let anchor = anchor.ok_or(UntrustedDocument::ChainPath)?.der();
        let intermediates: Vec<CertificateDer<'a>> =
            intermediates.iter().map(Certificate::der).collect();
        let anchor =
            webpki::anchor_from_trusted_cert(&anchor).map_err(|_| UntrustedDocument::ChainPath)?;
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
