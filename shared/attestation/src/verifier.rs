//! A verifier with caches, for services that receive many documents.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::cache_hit::CacheHit;
use super::debug_mode::DebugMode;
use super::document::{UnverifiedDocument, VerifiedDocument};
use super::document_age::MaxAge;
use super::trust_anchors::{Trust, TrustAnchors};
use super::untrusted_document::UntrustedDocument;
use super::verification_time::ClockReading;
use super::verifier_caches::{CacheSizes, Caches};

/// A verifier of documents under one set of trust anchors, with caches of verified signatures.
pub struct Verifier<T: Trust> {
    anchors: TrustAnchors<T>,
    caches: Caches,
    verified_counts: [AtomicU64; 4],
}

impl<T: Trust> Verifier<T> {
    /// Creates a verifier with empty caches.
    pub fn new(anchors: TrustAnchors<T>, sizes: CacheSizes) -> Self {
        Self { anchors, caches: Caches::new(sizes), verified_counts: Default::default() }
    }

    /// Checks rules 9 to 17 with the same result as [`UnverifiedDocument::verify_live`].
    ///
    /// Cached signatures are not verified again.
    ///
    /// # Errors
    /// The first rule that the document breaks.
    pub fn verify_live(
        &self,
        document: UnverifiedDocument,
        now: ClockReading,
        max_age: MaxAge,
        debug_mode: DebugMode,
    ) -> Result<VerifiedDocument<T>, UntrustedDocument> {
        let (document, hit) =
            document.verify(&self.anchors, &self.caches, now, Some(max_age), debug_mode)?;
        if let Some(count) = self.verified_counts.get(index(hit)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        Ok(document)
    }

    /// Returns the number of documents that verified with this cache hit.
    pub fn verified_count(&self, hit: CacheHit) -> u64 {
        self.verified_counts.get(index(hit)).map_or(0, |count| count.load(Ordering::Relaxed))
    }
}

fn index(hit: CacheHit) -> usize {
    match hit {
        CacheHit::Miss => 0,
        CacheHit::Chain => 1,
        CacheHit::Leaf => 2,
        CacheHit::Document => 3,
    }
}

impl<T: Trust> fmt::Debug for Verifier<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Verifier(..)")
    }
}

#[cfg(feature = "simulator")]
impl Verifier<super::trust_anchors::Simulated> {
    /// Inserts `error` as the cached result for the chain `certificates` (DER, from the root to the leaf's
    /// issuer).
    ///
    /// This simulates another thread that has rejected the chain and has not yet removed its result. That
    /// state is too short for tests to reach it otherwise.
    #[doc(hidden)]
    pub fn insert_rejected_chain(&self, certificates: &[Vec<u8>], error: UntrustedDocument) {
        let key = super::signature_cache::cache_key(certificates.iter().map(Vec::as_slice));
        self.caches.chains.insert_error(key, error);
    }
}
