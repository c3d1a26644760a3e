//! The first pass over a trail: the digests of each stream, in their order.

use std::collections::{BTreeMap, HashMap};

use attestation::crypto::{P256_POINT_LENGTH, SHA_256_LENGTH};
use attestation::receipt::VerifiedIdentity;
use attestation::time::UnixMillis;
use attestation::{
    AuditChain, AuditDigest, AuditStream, Identity, KeyId, SignedAuditDigest, UnverifiedDocument,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::finding::Finding;
use super::line_reader::Location;
use super::trail_line::DigestLine;
use crate::Expectations;

/// The digests of all streams, as they stand in the files.
#[derive(Default)]
pub(super) struct DigestCollector(BTreeMap<AuditStream, CollectedStream>);

#[derive(Default)]
struct CollectedStream {
    digests: Vec<(Location, SignedAuditDigest)>,
    documents: Vec<(Location, SignedAuditDigest, Vec<u8>)>,
    findings: Vec<Finding>,
}

/// The verified digests of a stream.
#[derive(Default)]
pub(super) struct DigestChain {
    /// The enclave, if a document was accepted.
    pub(super) identity: Option<VerifiedIdentity>,
    /// The ranges of records in ascending order.
    pub(super) ranges: Vec<DigestRange>,
    /// The number of verified digests.
    pub(super) digests: u64,
    /// The times of the first and the last digest.
    pub(super) times: Option<(UnixMillis, UnixMillis)>,
    /// True if the stream ended in order.
    pub(super) has_ended: bool,
    /// The last record that a digest at this place covers.
    pub(super) places: HashMap<Location, u64>,
    pub(super) findings: Vec<Finding>,
}

/// The records of one digest, together with those of missing digests before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DigestRange {
    pub(super) first: u64,
    pub(super) last: u64,
    /// The number of the first record of the digest itself.
    pub(super) from: u64,
    pub(super) gaps: Vec<(u64, u64)>,
    /// The chain before the first record.
    pub(super) start: AuditChain,
    pub(super) head: [u8; SHA_256_LENGTH],
}

impl DigestCollector {
    /// Adds the digest of a line.
    pub(super) fn add(&mut self, at: Location, line: &DigestLine<'_>) {
        let signed = match SignedAuditDigest::from_base64(line.statement) {
            Ok(signed) => signed,
            Err(error) => {
                let finding = Finding::MalformedDigest { at, reason: error.to_string() };
                return self.0.entry(line.stream).or_default().findings.push(finding);
            }
        };
        let stream = AuditStream::of(signed.key_id());
        let collected = self.0.entry(stream).or_default();
        if line.stream != stream {
            collected.findings.push(Finding::RelabelledDigest { at });
        }
        match line.document.map(|document| STANDARD.decode(document)) {
            Some(Ok(document)) => collected.documents.push((at, signed.clone(), document)),
            Some(Err(_)) => {
                let reason = "it is not base64 in its canonical form".to_owned();
                collected.findings.push(Finding::RejectedDocument { at, reason });
            }
            None => {}
        }
        collected.digests.push((at, signed));
    }

    /// Verifies the documents and digests of each stream.
    pub(super) fn verify(self, expectations: &Expectations) -> BTreeMap<AuditStream, DigestChain> {
        let verify = |collected: CollectedStream| collected.verify(expectations);
        self.0.into_iter().map(|(stream, collected)| (stream, verify(collected))).collect()
    }
}

impl CollectedStream {
    fn verify(mut self, expectations: &Expectations) -> DigestChain {
        let identity = self.verify_documents(expectations);
        let mut chain = DigestChain { findings: self.findings, ..DigestChain::default() };
        let Some(identity) = identity else {
            chain.findings.push(Finding::NoDocument);
            return chain;
        };
        let key_id = identity.key_id();
        let mut unlinked = Unlinked::default();
        for (at, signed) in self.digests {
            let digest = verify_signature(&signed, key_id, &identity.identity().receipt_key);
            // A receipt key that was stolen from a withdrawn image must not prolong its trail.
            let digest = digest.and_then(|digest| {
                let in_time = identity.check_set(digest.time).map_err(|error| error.to_string());
                in_time.map(|()| digest)
            });
            match digest {
                Ok(digest) => {
                    let is_new = unlinked.add(at, signed.statement_digest(), digest);
                    if !is_new {
                        chain.findings.push(Finding::RepeatedDigest { at });
                    }
                }
                Err(reason) => chain.findings.push(Finding::ForgedDigest { at, reason }),
            }
        }
        chain.link(key_id, unlinked);
        chain.identity = Some(identity);
        chain
    }

    /// Verifies all documents. Returns the first accepted one. All accepted documents attest the same key, because the
    /// name of the stream and the signature of the digest beside a document are those of the key.
    fn verify_documents(&mut self, expectations: &Expectations) -> Option<VerifiedIdentity> {
        let mut accepted = None;
        for (at, signed, document) in self.documents.drain(..) {
            match verify_document(&signed, &document, expectations) {
                Ok(identity) => accepted = accepted.or(Some(identity)),
                Err(reason) => self.findings.push(Finding::RejectedDocument { at, reason }),
            }
        }
        accepted
    }
}

/// Verifies a document for the time of the digest beside it, which the attested key has signed.
fn verify_document(
    signed: &SignedAuditDigest,
    document: &[u8],
    expectations: &Expectations,
) -> Result<VerifiedIdentity, String> {
    // The time of the digest is needed to verify the document, so the digest is verified first, with the key that the
    // unverified document claims.
    let parsed = UnverifiedDocument::parse(document.to_vec()).map_err(|error| error.to_string())?;
    let claims = parsed.dangerous_unverified_claims();
    let claimed = Identity::from_user_data(claims.user_data().unwrap_or_default())
        .map_err(|error| error.to_string())?;
    let digest = verify_signature(signed, claimed.key_id(), &claimed.receipt_key)?;
    expectations.verify_stored(document, digest.time).map_err(|error| error.to_string())
}

fn verify_signature(
    signed: &SignedAuditDigest,
    key_id: KeyId,
    point: &[u8; P256_POINT_LENGTH],
) -> Result<AuditDigest, String> {
    if signed.key_id() != key_id {
        return Err("the document attests another receipt key".to_owned());
    }
    signed.verify(point).cloned().map_err(|error| error.to_string())
}

/// Verified digests that are not linked to their predecessors yet.
#[derive(Default)]
struct Unlinked {
    /// The digests by the digest of their own statement.
    by_statement: HashMap<[u8; SHA_256_LENGTH], (Location, AuditDigest)>,
    /// The statements by their `prev`.
    by_previous: HashMap<Option<[u8; SHA_256_LENGTH]>, [u8; SHA_256_LENGTH]>,
    /// The statements in the order of their last records and times.
    ordered: BTreeMap<(u64, UnixMillis, [u8; SHA_256_LENGTH]), ()>,
}

impl Unlinked {
    /// Adds a digest. Returns false if it was added before.
    fn add(&mut self, at: Location, statement: [u8; SHA_256_LENGTH], digest: AuditDigest) -> bool {
        if self.by_statement.contains_key(&statement) {
            return false;
        }
        self.by_previous.insert(digest.previous, statement);
        self.ordered.insert((digest.to, digest.time, statement), ());
        self.by_statement.insert(statement, (at, digest));
        true
    }

    /// Removes the successor of the statement `previous`. If it is missing, removes the earliest digest. The flag is
    /// true for a successor.
    fn next(
        &mut self,
        previous: Option<[u8; SHA_256_LENGTH]>,
    ) -> Option<(bool, [u8; SHA_256_LENGTH], Location, AuditDigest)> {
        let successor = self.by_previous.remove(&previous);
        let successor = successor.filter(|statement| self.by_statement.contains_key(statement));
        let earliest = || self.ordered.first_key_value().map(|((_, _, statement), ())| *statement);
        let statement = successor.or_else(earliest)?;
        let (at, digest) = self.by_statement.remove(&statement)?;
        self.ordered.remove(&(digest.to, digest.time, statement));
        Some((successor.is_some(), statement, at, digest))
    }
}

impl DigestChain {
    /// Orders the digests, and adds their ranges.
    fn link(&mut self, key_id: KeyId, mut unlinked: Unlinked) {
        let (mut previous, mut last, mut head) = (None, 0_u64, AuditChain::new(key_id));
        let mut last_place = None;
        while let Some((is_successor, statement, at, digest)) = unlinked.next(previous) {
            let (time, first) = (digest.time, last.saturating_add(1));
            if !is_successor {
                self.findings.push(Finding::MissingDigests {
                    first,
                    last: digest.from.saturating_sub(1),
                    after: self.times.map(|(_, last)| last),
                    before: time,
                });
            }
            if last_place.is_some_and(|place| place > at) {
                self.findings.push(Finding::MovedDigest { at });
            }
            last_place = last_place.max(Some(at));
            self.places.insert(at, digest.to);
            self.times = Some((self.times.map_or(time, |(first, _)| first), time));
            self.has_ended |= digest.is_end;
            self.digests = self.digests.saturating_add(1);
            previous = Some(statement);
            if digest.to >= first {
                let AuditDigest { from, to, gaps, head: end, .. } = digest;
                self.ranges.push(DigestRange {
                    first,
                    last: to,
                    from,
                    gaps,
                    start: head,
                    head: end,
                });
                (last, head) = (to, AuditChain::from_head(end));
            }
        }
    }

    /// Returns the number of the last record that a digest covers.
    pub(super) fn last(&self) -> u64 {
        self.ranges.last().map_or(0, |range| range.last)
    }
}
