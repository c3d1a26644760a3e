//! The current document of the enclave's identity, in memory.

use std::sync::{Arc, Mutex, PoisonError};

/// The newest document with the identity as `user_data` and without a nonce. `None` before the identity is set.
#[derive(Default)]
pub(super) struct CurrentDocument(Mutex<Option<Arc<[u8]>>>);

impl CurrentDocument {
    pub(super) fn get(&self) -> Option<Arc<[u8]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, document: &[u8]) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(document.into());
    }
}
