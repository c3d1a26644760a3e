//! The table `[verification]`: threads and caches for the verification of documents.

use std::num::NonZeroUsize;

use attestation::CacheSizes;
use serde::Deserialize;

use super::bounded_u32::BoundedU32;
use crate::crypto_pool;

/// A number of cache entries. A cache of the maximum number takes about 200 MB of memory.
type Entries = BoundedU32<0, 1_000_000>;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VerificationTable {
    /// Number of threads of the crypto pool.
    threads: Option<BoundedU32<1, 256>>,
    cached_chains: Option<Entries>,
    cached_leaves: Option<Entries>,
    cached_documents: Option<Entries>,
}

impl VerificationTable {
    pub(super) fn threads(&self) -> NonZeroUsize {
        let number = self.threads.and_then(|number| usize::try_from(number.get()).ok());
        number.and_then(NonZeroUsize::new).unwrap_or_else(crypto_pool::default_threads)
    }

    pub(super) fn cache_sizes(&self) -> CacheSizes {
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
