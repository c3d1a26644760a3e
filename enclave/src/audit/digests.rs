//! The signed digests of a stream. The writer thread makes them, so that no request waits for a signature.
//!
//! A digest covers only lines that the output has accepted. If a write fails, all lines of this write are gaps,
//! although a part of the lines may have reached the trail. A verifier may therefore find records with the numbers of
//! a gap. The digests do not prove these records.
//!
//! If the write of a digest fails, the same bytes are written again later, because the digest may have reached the
//! trail. A verifier may therefore find a digest twice, but never two digests after the same digest.

use std::collections::VecDeque;
use std::mem;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use attestation::crypto::{CryptoError, SHA_256_LENGTH, Sha256};
use attestation::{AuditChain, AuditDigest, MAX_GAPS};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::ascii;
use super::digest_sources::{DigestSchedule, DigestSources};

/// Maximum number of ranges that wait for their digests. Further records become gaps.
const MAX_WAITING: usize = 16;

/// The digests of a stream.
#[derive(Debug)]
pub(super) struct StreamDigests {
    sources: DigestSources,
    schedule: DigestSchedule,
    counts: Arc<DigestCounts>,
    chain: AuditChain,
    /// The number of the first record after the ranges in `waiting`.
    from: u64,
    /// The number of the last record.
    last: u64,
    /// The gaps between `from` and `last`.
    gaps: Vec<(u64, u64)>,
    /// The ranges that ended because they have the maximum number of gaps.
    waiting: VecDeque<CoveredRange>,
    /// The SHA-256 digest of the last written digest.
    previous: Option<[u8; SHA_256_LENGTH]>,
    /// The line that the output has not accepted yet.
    unwritten: Option<SignedLine>,
    /// The time of the next digest.
    due: Instant,
    /// The time before which no digest is signed, because a signature failed.
    retry_at: Instant,
    /// The time from which the next digest contains the document.
    document_due: Instant,
    has_ended: bool,
}

/// The records of one digest.
#[derive(Debug)]
struct CoveredRange {
    from: u64,
    to: u64,
    gaps: Vec<(u64, u64)>,
    head: [u8; SHA_256_LENGTH],
}

/// A digest as a line.
#[derive(Debug)]
struct SignedLine {
    bytes: Vec<u8>,
    statement_digest: [u8; SHA_256_LENGTH],
    has_document: bool,
    /// The time of the next attempt to write the line.
    due: Instant,
}

/// The numbers of digests.
#[derive(Debug, Default)]
pub(super) struct DigestCounts {
    pub(super) written: AtomicU64,
    /// Failed attempts to sign or write a digest.
    pub(super) failed: AtomicU64,
}

/// A line with a digest. The members are serialized in this order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DigestLine<'a> {
    audit_digest: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    attestation_document: Option<&'a str>,
    stream: &'a str,
}

impl StreamDigests {
    pub(super) fn new(sources: DigestSources, schedule: DigestSchedule) -> Self {
        let now = Instant::now();
        Self {
            chain: AuditChain::new(sources.key_id()),
            sources,
            schedule,
            counts: Arc::default(),
            from: 1,
            last: 0,
            gaps: Vec::new(),
            waiting: VecDeque::new(),
            previous: None,
            unwritten: None,
            due: now + schedule.digests,
            retry_at: now,
            document_due: now,
            has_ended: false,
        }
    }

    /// Returns the numbers of digests.
    pub(super) fn counts(&self) -> Arc<DigestCounts> {
        Arc::clone(&self.counts)
    }

    /// Covers record `number`, whose line the output has accepted. `line` has no line feed.
    pub(super) fn cover(&mut self, number: u64, line: &[u8]) {
        if self.waiting.len() >= MAX_WAITING && self.gaps.len() >= MAX_GAPS {
            // No digest can contain one more gap, so the last gap grows until a digest is written.
            return self.add_gap(number..=number);
        }
        self.chain.append(number, line);
        self.last = number;
        if self.previous.is_none() && self.unwritten.is_none() {
            // The first digest follows the first record. It names the enclave even if the enclave is killed within a
            // minute.
            self.due = Instant::now();
        }
    }

    /// Declares records as dropped.
    pub(super) fn add_gap(&mut self, numbers: RangeInclusive<u64>) {
        let (first, last) = numbers.into_inner();
        match self.gaps.last_mut() {
            Some((_, end)) if end.saturating_add(1) >= first => *end = last,
            _ => {
                if self.gaps.len() >= MAX_GAPS {
                    let range = self.end_range();
                    self.waiting.push_back(range);
                }
                self.gaps.push((first, last));
            }
        }
        self.last = last;
    }

    /// Returns the time of the next digest.
    pub(super) fn due(&self) -> Instant {
        self.unwritten.as_ref().map_or(self.due.max(self.retry_at), |line| line.due)
    }

    /// Appends the next digest to `batch` if it is due. `is_end` is true after the last record.
    pub(super) fn append_due(&mut self, is_end: bool, batch: &mut Vec<u8>) {
        let now = Instant::now();
        if self.unwritten.is_none() && (is_end || self.retry_at <= now) {
            match self.sign_next(is_end, now) {
                Ok(line) => self.unwritten = line,
                Err(error) => {
                    self.retry_at = now + self.schedule.digests;
                    self.record_failure();
                    tracing::error!(%error, "audit digest not signed");
                }
            }
        }
        let line = self.unwritten.as_ref().filter(|line| is_end || line.due <= now);
        batch.extend_from_slice(line.map_or(&[], |line| &line.bytes));
    }

    /// Records whether the output has accepted the appended digest.
    pub(super) fn done(&mut self, is_written: bool) {
        let now = Instant::now();
        if !is_written {
            if let Some(line) = &mut self.unwritten {
                line.due = now + self.schedule.digests;
            }
            self.record_failure();
            tracing::warn!("audit digest not written: the output failed");
            return;
        }
        if let Some(line) = self.unwritten.take() {
            self.previous = Some(line.statement_digest);
            self.counts.written.fetch_add(1, Ordering::Relaxed);
            if line.has_document {
                self.document_due = now + self.schedule.documents;
            }
        }
    }

    fn record_failure(&self) {
        self.counts.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Signs the digest of the first waiting range. Without a waiting range, signs the digest of all further records if
    /// it is due.
    fn sign_next(&mut self, is_end: bool, now: Instant) -> Result<Option<SignedLine>, CryptoError> {
        if let Some(range) = self.waiting.pop_front() {
            let signed = self.sign(&range, false, now);
            if signed.is_err() {
                self.waiting.push_front(range);
            }
            return signed.map(Some);
        }
        if self.has_ended || !(is_end || self.due <= now) {
            return Ok(None);
        }
        let (from, range) = (self.from, self.end_range());
        let signed = self.sign(&range, is_end, now);
        match signed {
            Ok(_) => {
                self.has_ended = is_end;
                self.due = now + self.schedule.digests;
            }
            Err(_) => (self.from, self.gaps) = (from, range.gaps),
        }
        signed.map(Some)
    }

    /// Ends the current range, and begins the next one.
    fn end_range(&mut self) -> CoveredRange {
        let (from, to) = (self.from, self.last);
        self.from = to.saturating_add(1);
        CoveredRange { from, to, gaps: mem::take(&mut self.gaps), head: self.chain.head() }
    }

    fn sign(
        &self,
        range: &CoveredRange,
        is_end: bool,
        now: Instant,
    ) -> Result<SignedLine, CryptoError> {
        let CoveredRange { from, to, gaps, head } = range;
        let digest = AuditDigest {
            from: *from,
            to: *to,
            gaps: gaps.clone(),
            head: *head,
            previous: self.previous,
            time: (self.sources.now)(),
            is_end,
        };
        let statement = digest.sign(&self.sources.receipt_key)?;
        let document = if self.document_due <= now { (self.sources.document)() } else { None };
        let document = document.map(|document| STANDARD.encode(document));
        let line = DigestLine {
            audit_digest: &STANDARD.encode(&statement),
            attestation_document: document.as_deref(),
            stream: &self.sources.stream().to_string(),
        };
        let mut bytes = Vec::new();
        // Writing to a vector does not fail.
        ascii::append_line(&line, &mut bytes).map_err(|_| CryptoError)?;
        Ok(SignedLine {
            bytes,
            statement_digest: Sha256::digest(&statement),
            has_document: document.is_some(),
            due: now,
        })
    }
}

#[cfg(test)]
#[path = "digest_tests.rs"]
mod tests;
