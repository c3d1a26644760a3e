//! The part of a document that one verification found in the caches.

/// The part of a document whose signatures were found in a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheHit {
    /// No part was cached: one signature was verified for each certificate below the root, and one for the
    /// document.
    Miss,
    /// The chain of CAs was cached: the signatures of the leaf and of the document were verified.
    Chain,
    /// The leaf with its chain was cached: only the document's signature was verified.
    Leaf,
    /// The document was cached: no signature was verified.
    Document,
}

impl CacheHit {
    /// All values, from the most expensive to the cheapest.
    pub const ALL: [Self; 4] = [Self::Miss, Self::Chain, Self::Leaf, Self::Document];

    /// Returns the metric label, such as `leaf`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Miss => "miss",
            Self::Chain => "chain",
            Self::Leaf => "leaf",
            Self::Document => "document",
        }
    }
}
