//! The part of a document that a cache had.

/// The part of a document whose signatures were found in a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheHit {
    /// Miss was cached: every certificate below the root and the document took a signature each.
    Miss,
    /// The chain of CAs was cached: the leaf and the document took a signature each.
    Chain,
    /// The leaf with its chain was cached: the document took one signature.
    Leaf,
    /// The document was cached: no signature was verified.
    Document,
}

impl CacheHit {
    /// All values, from the most expensive to the cheapest.
    pub const ALL: [Self; 4] = [Self::Miss, Self::Chain, Self::Leaf, Self::Document];

    /// Returns the value's name for metrics, such as `leaf`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Miss => "miss",
            Self::Chain => "chain",
            Self::Leaf => "leaf",
            Self::Document => "document",
        }
    }
}
