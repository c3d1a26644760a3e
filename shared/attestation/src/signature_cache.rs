//! A bounded cache of signature verifications that succeeded.
//!
//! A genuine document has five P-384 signatures, and no document causes more than six verifications. Most
//! documents share a certificate chain, so the cache saves most verifications.
//!
//! The cache stores the SHA-256 digest of the exact bytes whose signatures verified. The validity of a
//! signature depends on these bytes alone, so a hit is correct at any time, for any caller and any policy. A
//! hit for a whole document also skips rules 9 to 12. Their result depends on the document's bytes and on the
//! trust anchors, which never change while a cache exists. Validity periods, document age, debug mode and
//! policy are checked again for every document. `docs/verification.md` gives the full argument.

use std::sync::{Arc, OnceLock};

use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};

use super::untrusted_document::UntrustedDocument;

/// The SHA-256 digest of the verified bytes.
pub(super) type CacheKey = [u8; 32];

/// Computes the cache key of several byte strings.
///
/// Each string is prefixed with its length, so the same bytes have different keys if they are split
/// differently.
pub(super) fn cache_key<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> CacheKey {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

/// A verification result, shared by all threads that wait for it.
type SharedResult<V> = Arc<OnceLock<Result<V, UntrustedDocument>>>;

/// A cache of successful verifications, with in-flight deduplication.
///
/// `V` is a value that the verification derives from the bytes, such as the chain's validity periods.
#[derive(Debug)]
pub(super) struct SignatureCache<V>(Option<Cache<CacheKey, SharedResult<V>>>);

impl<V: Clone> SignatureCache<V> {
    /// A cache that stores nothing.
    pub(super) const DISABLED: Self = Self(None);

    /// Creates a cache of at most `capacity` entries; 0 disables it.
    pub(super) fn new(capacity: usize) -> Self {
        Self((capacity > 0).then(|| Cache::new(capacity)))
    }

    /// Returns whether the cache stores anything, so that callers can skip hashing.
    pub(super) fn is_enabled(&self) -> bool {
        self.0.is_some()
    }

    /// Returns the cached value for `key`, if its verification has finished and succeeded.
    pub(super) fn get(&self, key: &CacheKey) -> Option<V> {
        let result = self.0.as_ref()?.get(key)?;
        result.get()?.as_ref().ok().cloned()
    }

    /// Returns the cached value for `key`, or runs `verify` and caches its success.
    ///
    /// Concurrent calls with the same key run `verify` once and share its result. Errors are returned to all
    /// concurrent callers but not cached.
    pub(super) fn get_or_verify(
        &self,
        key: impl FnOnce() -> CacheKey,
        verify: impl FnOnce() -> Result<V, UntrustedDocument>,
    ) -> Result<V, UntrustedDocument> {
        let Some(cache) = &self.0 else { return verify() };
        let key = key();
        let shared = cache.get_or_insert_with(&key, || Ok(SharedResult::default()))?;
        let result = shared.get_or_init(verify).clone();
        if result.is_err() {
            cache.remove_if(&key, |entry| Arc::ptr_eq(entry, &shared));
        }
        result
    }

    /// Stores a value that was verified without the cache.
    pub(super) fn insert(&self, key: impl FnOnce() -> CacheKey, value: V) {
        if let Some(cache) = &self.0 {
            cache.insert(key(), Arc::new(OnceLock::from(Ok(value))));
        }
    }
}

#[cfg(feature = "simulator")]
impl<V: Clone> SignatureCache<V> {
    /// Stores `error` as a result that another thread has not removed yet. For tests.
    pub(super) fn insert_error(&self, key: CacheKey, error: UntrustedDocument) {
        if let Some(cache) = &self.0 {
            cache.insert(key, Arc::new(OnceLock::from(Err(error))));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const REJECTED: Result<(), UntrustedDocument> = Err(UntrustedDocument::ChainSignature);

    #[test]
    fn key_depends_on_how_bytes_are_split() {
        assert_ne!(cache_key([&b"ab"[..], b"c"]), cache_key([&b"a"[..], b"bc"]));
        assert_ne!(cache_key([&b"ab"[..]]), cache_key([&b"ab"[..], b""]));
    }

    #[test]
    fn concurrent_calls_share_an_error_that_is_not_cached() {
        let cache = SignatureCache::new(8);
        let key = cache_key([&b"bytes"[..]]);
        let second_waits = || {
            let result = cache.0.as_ref().unwrap().get(&key).unwrap();
            // The cache, the first call, the second call and this closure.
            Arc::strong_count(&result) == 4
        };
        thread::scope(|scope| {
            let mut second = None;
            let first = cache.get_or_verify(
                || key,
                || {
                    second = Some(scope.spawn(|| cache.get_or_verify(|| key, || Ok(()))));
                    while !second_waits() {
                        thread::yield_now();
                    }
                    REJECTED
                },
            );
            assert_eq!(first, REJECTED);
            assert_eq!(second.unwrap().join().unwrap(), REJECTED);
        });
        assert_eq!(cache.get_or_verify(|| key, || Ok(())), Ok(()));
        assert_eq!(cache.get_or_verify(|| key, || REJECTED), Ok(()));
    }

    #[test]
    fn next_call_verifies_after_a_panic() {
        let cache = SignatureCache::new(8);
        let key = cache_key([&b"bytes"[..]]);
        thread::scope(|scope| {
            let panics =
                scope.spawn(|| cache.get_or_verify(|| key, || panic!("expected by the test")));
            assert!(panics.join().is_err());
        });
        assert_eq!(cache.get_or_verify(|| key, || Ok(())), Ok(()));
    }
}
