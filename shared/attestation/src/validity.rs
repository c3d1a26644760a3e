//! Rule 13: the validity periods of certificates.

use std::sync::Arc;

use super::chain_position::ChainPosition;
use super::untrusted_document::UntrustedDocument;
use super::verification_time::{MAX_CLOCK_SKEW_SECS, VerificationTime};
use crate::time::UnixMillis;

/// The validity period of one certificate, including both ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) not_before: UnixMillis,
    pub(super) not_after: UnixMillis,
}

impl Validity {
    /// Checks rule 13 for the certificate at position `certificate`.
    ///
    /// AWS issues a leaf 3 s before the first document that it signs, and the verifier's clock may be behind
    /// AWS's. So notBefore has the same tolerance as the document's timestamp. notAfter has none.
    fn check(
        self,
        certificate: ChainPosition,
        at: VerificationTime,
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

/// The validity periods of the certificates of a chain, from the root to the leaf.
#[derive(Clone, Debug)]
pub(super) struct ChainValidity(Arc<[Validity]>);

impl ChainValidity {
    /// Checks rule 13 for every certificate. rustls-webpki does not check the validity of the root.
    pub(super) fn check(&self, at: VerificationTime) -> Result<(), UntrustedDocument> {
        self.iter().try_for_each(|(position, validity)| validity.check(position, at))?;
        // The tolerance is for a verifier's clock that is behind. A chain whose certificates are never valid
        // at the same time must still be rejected.
        let latest = self.iter().max_by_key(|(_, validity)| validity.not_before);
        let earliest = self.iter().min_by_key(|(_, validity)| validity.not_after);
        match (latest, earliest) {
            (
                Some((late, Validity { not_before, .. })),
                Some((early, Validity { not_after, .. })),
            ) if not_before > not_after => {
                Err(UntrustedDocument::DisjointValidity { late, not_before, early, not_after })
            }
            _ => Ok(()),
        }
    }

    /// Returns `at`, or the latest notBefore of the chain if that is later.
    ///
    /// If rule 13 holds at `at`, every certificate is valid at the returned time, without tolerance.
    pub(super) fn clamped_to_not_before(&self, at: UnixMillis) -> UnixMillis {
        self.0.iter().fold(at, |latest, validity| latest.max(validity.not_before))
    }

    /// Returns the validity of the leaf.
    pub(super) fn leaf(&self) -> Option<Validity> {
        self.0.last().copied()
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
}

impl FromIterator<Validity> for ChainValidity {
    fn from_iter<I: IntoIterator<Item = Validity>>(periods: I) -> Self {
        Self(periods.into_iter().collect())
    }
}
