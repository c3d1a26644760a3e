//! What was seen to hold, so that it need not be computed again: signatures.
//!
//! Remembered are SHA-256 digests of exact bytes, and only of such whose signatures were verified; of a
//! document also when its certificates are valid, as they say themselves. That a signature is one is a
//! fact of those bytes and of nothing else: not of the time, nor of who asks, nor of a policy. Nor are the
//! form of certificates, their roles, their order and their root. All that is a matter of time, age or
//! policy is judged anew for each document, whatever is remembered; `docs/verification.md` has the
//! argument whole.

use std::sync::{Arc, OnceLock};

use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};

use super::error::UntrustedDocument;

/// Names bytes: nobody can find others of the same name.
pub(super) type Name = [u8; 32];

/// The name of several strings of bytes, each with its length before it: the same bytes cut otherwise
/// have another name.
pub(super) fn name<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Name {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

/// What came of a verification, for all who wait for it.
type Verdict<V> = Arc<OnceLock<Result<V, UntrustedDocument>>>;

/// Names of what was verified, and of what is being verified now; and what else was found in the bytes
/// on the way.
#[derive(Debug)]
pub(super) struct Known<V>(Option<Cache<Name, Verdict<V>>>);

impl<V: Clone> Known<V> {
    /// None at all.
    pub(super) const NOTHING: Self = Self(None);

    /// At most `size` of them.
    pub(super) fn new(size: usize) -> Self {
        Self((size > 0).then(|| Cache::new(size)))
    }

    /// Whether anything is ever remembered; if not, a name is of no use.
    pub(super) fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    /// What was found in the bytes of this name, if they were verified.
    pub(super) fn find(&self, name: &Name) -> Option<V> {
        let verdict = self.0.as_ref()?.get(name)?;
        verdict.get()?.as_ref().ok().cloned()
    }

    /// Verifies what has this name, unless that was done. Who comes while another verifies the same
    /// waits for what comes of it, which takes no longer than to do it too. What is refused is told to
    /// those who wait, and not remembered.
    pub(super) fn verify(
        &self,
        name: impl FnOnce() -> Name,
        verify: impl FnOnce() -> Result<V, UntrustedDocument>,
    ) -> Result<V, UntrustedDocument> {
        let Some(cache) = &self.0 else { return verify() };
        let name = name();
        let verdict = cache.get_or_insert_with(&name, || Ok(Verdict::default()))?;
        let result = verdict.get_or_init(verify).clone();
        if result.is_err() {
            cache.remove_if(&name, |kept| Arc::ptr_eq(kept, &verdict));
        }
        result
    }

    /// Remembers what was verified otherwise.
    pub(super) fn remember(&self, name: impl FnOnce() -> Name, found: V) {
        if let Some(cache) = &self.0 {
            cache.insert(name(), Arc::new(OnceLock::from(Ok(found))));
        }
    }
}

#[cfg(feature = "simulator")]
impl<V: Clone> Known<V> {
    /// Stores `refusal` as the result of a verification that another thread is about to finish.
    pub(super) fn refuse(&self, name: Name, refusal: UntrustedDocument) {
        if let Some(cache) = &self.0 {
            cache.insert(name, Arc::new(OnceLock::from(Err(refusal))));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const REFUSED: Result<(), UntrustedDocument> = Err(UntrustedDocument::ChainSignature);

    #[test]
    fn the_same_bytes_cut_otherwise_have_another_name() {
        assert_ne!(name([&b"ab"[..], b"c"]), name([&b"a"[..], b"bc"]));
        assert_ne!(name([&b"ab"[..]]), name([&b"ab"[..], b""]));
    }

    #[test]
    fn who_waits_is_told_what_came_of_it_and_who_comes_later_is_not() {
        let known = Known::new(8);
        let name = name([&b"bytes"[..]]);
        let waits = || {
            let verdict = known.0.as_ref().unwrap().get(&name).unwrap();
            // The cache's, the verifier's, who waits', and this one.
            Arc::strong_count(&verdict) == 4
        };
        thread::scope(|scope| {
            let mut second = None;
            let first = known.verify(
                || name,
                || {
                    second = Some(scope.spawn(|| known.verify(|| name, || Ok(()))));
                    while !waits() {
                        thread::yield_now();
                    }
                    REFUSED
                },
            );
            assert_eq!(first, REFUSED);
            assert_eq!(second.unwrap().join().unwrap(), REFUSED);
        });
        assert_eq!(known.verify(|| name, || Ok(())), Ok(()));
        assert_eq!(known.verify(|| name, || REFUSED), Ok(()));
    }

    #[test]
    fn a_verification_that_panics_is_done_by_the_next() {
        let known = Known::new(8);
        let name = name([&b"bytes"[..]]);
        thread::scope(|scope| {
            let panics = scope.spawn(|| known.verify(|| name, || panic!("on purpose")));
            assert!(panics.join().is_err());
        });
        assert_eq!(known.verify(|| name, || Ok(())), Ok(()));
    }
}
