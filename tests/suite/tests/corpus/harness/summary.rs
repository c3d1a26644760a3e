//! Totals of a corpus run.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The outcome of one case.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    Accepted,
    Rejected,
}

#[derive(Default)]
pub(crate) struct Summary {
    rows: AtomicUsize,
    accepted: AtomicUsize,
    rejected: AtomicUsize,
    /// The maximum number of signatures that were verified for one document.
    verifications: AtomicU64,
}

impl Summary {
    pub(crate) fn count(&self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Accepted => &self.accepted,
            Outcome::Rejected => &self.rejected,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_verifications(&self, count: u64) {
        self.verifications.fetch_max(count, Ordering::Relaxed);
    }

    pub(crate) fn count_row(&self) {
        self.rows.fetch_add(1, Ordering::Relaxed);
    }

    /// Prints the totals. `total` is the number of rows.
    pub(crate) fn print(&self, total: usize) {
        let rows = self.rows.load(Ordering::Relaxed);
        let accepted = self.accepted.load(Ordering::Relaxed);
        let rejected = self.rejected.load(Ordering::Relaxed);
        let provider = attestation::crypto::PROVIDER;
        let verifications = self.verifications.load(Ordering::Relaxed);
        println!(
            "corpus with {provider}: {rows} of {total} rows passed, {} cases: {accepted} accepted, {rejected} rejected; at most {verifications} signatures verified for one document",
            accepted + rejected
        );
    }
}
