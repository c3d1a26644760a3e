//! The table `[verification]`: what is remembered of verified documents.

use serde::Deserialize;
use shared::attestation::CacheSizes;

use super::bounded::Bounded;

/// At the most some 200 MB each.
type Entries = Bounded<0, 1_000_000>;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VerificationTable {
    cached_chains: Option<Entries>,
    cached_leaves: Option<Entries>,
    cached_documents: Option<Entries>,
}

impl VerificationTable {
    pub(super) fn caches(&self) -> CacheSizes {
        let CacheSizes { chains, leaves, documents } = CacheSizes::default();
        CacheSizes {
            chains: entries(self.cached_chains, chains),
            leaves: entries(self.cached_leaves, leaves),
            documents: entries(self.cached_documents, documents),
        }
    }
}

fn entries(number: Option<Entries>, default: usize) -> usize {
    number.and_then(|number| usize::try_from(number.get()).ok()).unwrap_or(default)
}
