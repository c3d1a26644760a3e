//! Whose token is whose: a token's user is logged in for the whole process, so that a second store
//! would not need its PIN.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The tokens of one service's stores, each with whose it is.
#[derive(Debug, Default)]
pub(in super::super) struct Claims(Mutex<Vec<Entry>>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    /// Whatever the configuration calls it.
    module: PathBuf,
    slot: u64,
    store: String,
}

impl Claims {
    /// Claims a token, as long as the claim is kept. If it is another store's, names that.
    pub(super) fn claim(
        self: &Arc<Self>,
        module: PathBuf,
        slot: u64,
        store: &str,
    ) -> Result<Claim, String> {
        let mut entries = self.lock();
        if let Some(other) =
            entries.iter().find(|entry| entry.module == module && entry.slot == slot)
        {
            return Err(other.store.clone());
        }
        let entry = Entry { module, slot, store: store.to_owned() };
        entries.push(entry.clone());
        Ok(Claim { claims: Arc::clone(self), entry })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A token that is one store's.
#[derive(Debug)]
pub(super) struct Claim {
    claims: Arc<Claims>,
    entry: Entry,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.claims.lock().retain(|entry| *entry != self.entry);
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
        drop(first);
        assert!(claim("/a", 7, "cks-b").is_ok());
    }
}
