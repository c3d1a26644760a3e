//! The caches of one verifier.

use super::signature_cache::SignatureCache;
use super::validity::ChainValidity;

/// Capacities of a verifier's caches, in entries; 0 disables a cache.
///
/// An entry uses about 200 bytes, an entry for a document about 400. The least recently used entries are
/// evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheSizes {
    /// Capacity for chains of CAs, from the root to the leaf's issuer. Each EC2 instance has a new chain
    /// every day.
    pub chains: usize,
    /// Capacity for leaves with their chains. Each enclave has a new leaf every three hours.
    pub leaves: usize,
    /// Capacity for documents. A client may send a document several times within its maximum age.
    pub documents: usize,
}

impl CacheSizes {
    /// Sizes that disable every cache.
    pub const NONE: Self = Self { chains: 0, leaves: 0, documents: 0 };
}

impl Default for CacheSizes {
    /// Returns sizes for thousands of enclaves. Full caches of these sizes use a few MB.
    fn default() -> Self {
        Self { chains: 4096, leaves: 8192, documents: 16_384 }
    }
}

/// The caches of signatures that verified under one set of trust anchors.
#[derive(Debug)]
pub(super) struct Caches {
    pub(super) chains: SignatureCache<()>,
    pub(super) leaves: SignatureCache<()>,
    pub(super) documents: SignatureCache<ChainValidity>,
}

impl Caches {
    /// Caches that store nothing.
    pub(super) const DISABLED: Self = Self {
        chains: SignatureCache::DISABLED,
        leaves: SignatureCache::DISABLED,
        documents: SignatureCache::DISABLED,
    };

    /// Creates empty caches of these sizes.
    pub(super) fn new(sizes: CacheSizes) -> Self {
        let CacheSizes { chains, leaves, documents } = sizes;
        Self {
            chains: SignatureCache::new(chains),
            leaves: SignatureCache::new(leaves),
            documents: SignatureCache::new(documents),
        }
    }
}
