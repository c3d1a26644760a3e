//! The judge of the documents that one service is sent: it remembers what it saw hold.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::chain::Lifetimes;
use super::document::{DebugMode, MaxAge, UnverifiedDocument, VerifiedDocument};
use super::error::UntrustedDocument;
use super::judged_at::ClockReading;
#[cfg(feature = "simulator")]
use super::known;
use super::known::Known;
#[cfg(feature = "simulator")]
use super::trust::Simulated;
use super::trust::{Trust, TrustAnchors};

/// How much is remembered of each kind: at most so many entries, of which each takes some 200 bytes, and
/// a document twice that.
/// The least recently used make room for others. With 0 nothing is remembered of that kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheSizes {
    /// Chains of CAs, from the root to the leaf's issuer: one for each EC2 instance and day.
    pub chains: usize,
    /// Leaves with their chains: one for each enclave and three hours.
    pub leaves: usize,
    /// Documents, which may come twice within their `max_age`.
    pub documents: usize,
}

impl CacheSizes {
    /// Nothing is remembered.
    pub const NONE: Self = Self { chains: 0, leaves: 0, documents: 0 };
}

impl Default for CacheSizes {
    /// Enough for a fleet of thousands of enclaves, in a few MB.
    fn default() -> Self {
        Self { chains: 4096, leaves: 8192, documents: 16_384 }
    }
}

/// The signatures that were verified under one set of trust anchors, of each kind.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) chains: Known<()>,
    pub(super) leaves: Known<()>,
    pub(super) documents: Known<Lifetimes>,
}

impl Memory {
    /// Of nothing.
    pub(super) const NONE: Self =
        Self { chains: Known::NOTHING, leaves: Known::NOTHING, documents: Known::NOTHING };

    fn new(sizes: CacheSizes) -> Self {
        let CacheSizes { chains, leaves, documents } = sizes;
        Self {
            chains: Known::new(chains),
            leaves: Known::new(leaves),
            documents: Known::new(documents),
        }
    }
}

/// What of a document had been verified before, when it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Familiarity {
    /// Nothing: a signature for each certificate below the root, and the document's own.
    Nothing,
    /// The chain of its CAs: the leaf's signature and its own.
    Chain,
    /// Its leaf, with the chain: its own signature.
    Leaf,
    /// All of it: no signature.
    Document,
}

impl Familiarity {
    /// All there are, from what takes most to what takes least.
    pub const ALL: [Self; 4] = [Self::Nothing, Self::Chain, Self::Leaf, Self::Document];

    /// Its name, such as `leaf`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Chain => "chain",
            Self::Leaf => "leaf",
            Self::Document => "document",
        }
    }
}

/// Judges documents in the world `T`, all under the same trust anchors.
pub struct Verifier<T: Trust> {
    anchors: TrustAnchors<T>,
    memory: Memory,
    verified: [AtomicU64; 4],
}

impl<T: Trust> Verifier<T> {
    /// One that has seen nothing yet, and remembers no more than `sizes` say.
    pub fn new(anchors: TrustAnchors<T>, sizes: CacheSizes) -> Self {
        Self { anchors, memory: Memory::new(sizes), verified: Default::default() }
    }

    /// Rules 9 to 17, as [`UnverifiedDocument::verify_live`] judges them, whatever is remembered: of the
    /// signatures those alone are verified that were not before.
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
        let (document, familiarity) =
            document.verify(&self.anchors, &self.memory, now, Some(max_age), debug_mode)?;
        if let Some(count) = self.verified.get(place(familiarity)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        Ok(document)
    }

    /// How many documents were verified of which so much had been before.
    pub fn verified(&self, familiarity: Familiarity) -> u64 {
        self.verified.get(place(familiarity)).map_or(0, |count| count.load(Ordering::Relaxed))
    }
}

fn place(familiarity: Familiarity) -> usize {
    match familiarity {
        Familiarity::Nothing => 0,
        Familiarity::Chain => 1,
        Familiarity::Leaf => 2,
        Familiarity::Document => 3,
    }
}

impl<T: Trust> fmt::Debug for Verifier<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Verifier(..)")
    }
}

#[cfg(feature = "simulator")]
impl Verifier<Simulated> {
    /// Puts the verifier in the state in which another thread has just rejected the chain `certificates`
    /// (DER, from the root to the leaf's issuer) and has not removed its result yet. Tests use it, because
    /// the state lasts too short to be met otherwise.
    #[doc(hidden)]
    pub fn refuse_chain(&self, certificates: &[Vec<u8>], error: UntrustedDocument) {
        self.memory.chains.refuse(known::name(certificates.iter().map(Vec::as_slice)), error);
    }
}
