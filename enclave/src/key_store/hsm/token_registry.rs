//! The tokens of HSMs: the choice of a store's token, and the registry of tokens in use.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::fault::{FoundToken, HsmFault};
use super::super::settings::Token;

/// The location of a token in a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TokenLocation {
    /// Identifier of the slot.
    pub(super) slot: u64,
    /// Number of initializations of the module at the time when the token was found. A further
    /// initialization may change the identifiers of the slots.
    pub(super) initializations: u64,
}

/// Returns the slot of the token that the configuration names. Exactly one initialized token in `found`
/// must match.
pub(super) fn choose_slot(found: Vec<FoundToken>, token: &Token) -> Result<u64, HsmFault> {
    let is_configured = |found: &&FoundToken| match token {
        Token::Slot(slot) => found.slot == *slot && matches!(found.label, Ok(Some(_))),
        Token::Label(label) => matches!(&found.label, Ok(Some(found)) if found == label),
    };
    let mut slots = found.iter().filter(is_configured).map(|found| found.slot);
    match (slots.next(), slots.next()) {
        (Some(slot), None) => Ok(slot),
        (Some(_), Some(_)) => Err(HsmFault::AmbiguousLabel),
        (None, _) => Err(HsmFault::TokenNotFound { found }),
    }
}

/// A registry of the tokens that the stores of a service use.
///
/// A login with a token is valid for the whole process. So a second store could use the token of the first
/// store without the PIN. The registry rejects such a second store.
#[derive(Debug, Default)]
pub(in super::super) struct TokenRegistry(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    entries: Vec<Entry>,
    /// Number of the last claim.
    last_claim: u64,
}

#[derive(Debug)]
struct Entry {
    claim: u64,
    /// Canonical path of the module.
    module: PathBuf,
    slot: u64,
    /// Identifier of the store.
    store: String,
}

impl TokenRegistry {
    /// Claims a token for `store` until the claim is dropped. One store may hold several claims on its
    /// token.
    ///
    /// # Errors
    /// Returns the identifier of another store that claims the token.
    pub(super) fn claim(
        self: &Arc<Self>,
        module: PathBuf,
        slot: u64,
        store: &str,
    ) -> Result<TokenClaim, String> {
        let mut registry = self.lock();
        let is_same = |entry: &&Entry| entry.module == module && entry.slot == slot;
        let mut claims = registry.entries.iter().filter(is_same);
        if let Some(other) = claims.find(|entry| entry.store != store) {
            return Err(other.store.clone());
        }
        registry.last_claim += 1;
        let claim = registry.last_claim;
        registry.entries.push(Entry { claim, module, slot, store: store.to_owned() });
        Ok(TokenClaim { registry: Arc::clone(self), number: claim })
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A store's claim on a token.
///
/// Each session holds the claim, because the token's user stays logged in while any session is open.
#[derive(Debug)]
pub(super) struct TokenClaim {
    registry: Arc<TokenRegistry>,
    number: u64,
}

impl Drop for TokenClaim {
    fn drop(&mut self) {
        self.registry.lock().entries.retain(|entry| entry.claim != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(slot: u64, label: Option<&str>) -> FoundToken {
        FoundToken { slot, label: Ok(label.map(str::to_owned)) }
    }

    fn label(label: &str) -> Token {
        Token::Label(label.to_owned())
    }

    #[test]
    fn chooses_token_by_label_or_slot() {
        let tokens = || vec![found(7, Some("a")), found(8, Some("b")), found(9, None)];
        assert_eq!(choose_slot(tokens(), &label("b")), Ok(8));
        assert_eq!(choose_slot(tokens(), &Token::Slot(7)), Ok(7));
    }

    #[test]
    fn rejects_label_of_several_tokens() {
        let tokens = || vec![found(7, Some("a")), found(8, Some("a"))];
        assert_eq!(choose_slot(tokens(), &label("a")), Err(HsmFault::AmbiguousLabel));
        assert_eq!(choose_slot(tokens(), &Token::Slot(8)), Ok(8));
    }

    #[test]
    fn rejects_missing_uninitialized_and_unreadable_tokens() {
        let unreadable = FoundToken { slot: 9, label: Err(HsmFault::ConnectionLost) };
        let tokens = vec![found(7, Some("a")), found(8, None), unreadable];
        for token in [label("b"), Token::Slot(6), Token::Slot(8), Token::Slot(9)] {
            let missing = HsmFault::TokenNotFound { found: tokens.clone() };
            assert_eq!(choose_slot(tokens.clone(), &token), Err(missing), "{token:?}");
        }
    }

    #[test]
    fn token_belongs_to_one_store_while_it_holds_a_claim() {
        let registry = Arc::new(TokenRegistry::default());
        let claim = |module: &str, slot, store| registry.claim(module.into(), slot, store);
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
