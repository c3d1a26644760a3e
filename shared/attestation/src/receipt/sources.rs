//! The sources of random bytes that a caller accepts.

use super::payload::NSM_SOURCE;

/// The sources that a caller accepts: the NSM, and custom key stores by ID.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedSources {
    key_stores: Vec<String>,
}

impl AllowedSources {
    /// Accepts the NSM only.
    pub const fn nsm() -> Self {
        Self { key_stores: Vec::new() }
    }

    /// Also accepts the custom key store with the ID `id`.
    #[must_use]
    pub fn with_key_store(mut self, id: &str) -> Self {
        self.key_stores.push(id.to_owned());
        self
    }

    pub(super) fn contains(&self, source: &str) -> bool {
        source == NSM_SOURCE || self.key_stores.iter().any(|id| id == source)
    }
}
