//! Whose token is whose: a token's user is logged in for the whole process, so that a second store
//! would not need its PIN.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The tokens of one service's stores, each with whose it is.
#[derive(Debug, Default)]
pub(in super::super) struct Claims(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    entries: Vec<Entry>,
    /// Made so far.
    count: u64,
}

#[derive(Debug)]
struct Entry {
    number: u64,
    /// Whatever the configuration calls it.
    module: PathBuf,
    slot: u64,
    store: String,
}

impl Claims {
    /// Claims a token, as long as the claim is kept; a store may have several on the same. If it is
    /// another store's, names that.
    pub(super) fn claim(
        self: &Arc<Self>,
        module: PathBuf,
        slot: u64,
        store: &str,
    ) -> Result<Claim, String> {
        let mut claims = self.lock();
        let is_same = |entry: &&Entry| entry.module == module && entry.slot == slot;
        let mut others = claims.entries.iter().filter(is_same);
        if let Some(other) = others.find(|entry| entry.store != store) {
            return Err(other.store.clone());
        }
        claims.count += 1;
        let number = claims.count;
        claims.entries.push(Entry { number, module, slot, store: store.to_owned() });
        Ok(Claim { claims: Arc::clone(self), number })
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A token that is one store's: each session with it keeps this, for as long as one is open the token's
/// user is logged in.
#[derive(Debug)]
pub(super) struct Claim {
    claims: Arc<Claims>,
    number: u64,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.claims.lock().entries.retain(|entry| entry.number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_store_s_for_as_long_as_it_keeps_it() {
        let claims = Arc::new(Claims::default());
        let claim = |module: &str, slot, store| claims.claim(module.into(), slot, store);
        let first = claim("/a", 7, "cks-a").unwrap();
        assert_eq!(claim("/a", 7, "cks-b").unwrap_err(), "cks-a");
        let _other_slot = claim("/a", 8, "cks-b").unwrap();
        let _other_module = claim("/b", 7, "cks-c").unwrap();
        let again = claim("/a", 7, "cks-a").unwrap();
        drop(first);
        assert_eq!(claim("/a", 7, "cks-b").unwrap_err(), "cks-a");
        drop(again);
        assert!(claim("/a", 7, "cks-b").is_ok());
    }
}
