//! Verification of an audit trail: that its records are those that enclaves wrote, as far as signed digests prove it.
//!
//! The files are read twice. The first pass verifies the digests of each stream. The second pass compares each record
//! with the digest that covers it, so that memory depends on the number of damaged places and not on the length of the
//! trail.
//!
//! A trail alone does not show that a stream was cut after a digest, or that a whole stream is missing. A receipt or a
//! time until which digests are demanded shows such a loss.

mod digest_chain;
mod finding;
mod line_reader;
mod number_set;
mod receipt_check;
mod record_checker;
mod report;
mod trail_line;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

use attestation::AuditStream;
use attestation::time::UnixMillis;

use self::digest_chain::DigestCollector;
pub use self::finding::{Finding, Records};
use self::line_reader::for_each_line;
pub use self::line_reader::{Location, TrailReadError};
pub use self::receipt_check::ReceiptOutcome;
use self::receipt_check::{check_record, verify_exchange};
pub use self::record_checker::Tail;
use self::record_checker::{CheckedRecords, RecordChecker};
pub use self::report::{StreamReport, TrailReport};
use self::trail_line::{TrailLine, without_cid};
use crate::{ExchangeError, Expectations, StoredExchange, VerifiedExchange};

/// Verifies the trail in `files`, which are in the order of time. `exchanges` are stored exchanges whose records must
/// be in the trail. With `until`, each stream must have ended or have a digest of this time or later.
///
/// # Errors
/// If a file cannot be read.
pub fn verify_trail(
    files: &[PathBuf],
    expectations: &Expectations,
    exchanges: &[StoredExchange],
    until: Option<UnixMillis>,
) -> Result<TrailReport, TrailReadError> {
    let exchanges: Vec<_> =
        exchanges.iter().map(|exchange| verify_exchange(exchange, expectations)).collect();
    let mut checkers = read_digests(files, expectations, &exchanges)?;
    let other_lines = read_records(files, &mut checkers)?;
    let streams: BTreeMap<_, _> =
        checkers.into_iter().map(|(stream, checker)| (stream, checker.finish())).collect();
    let receipts = exchanges.iter().map(|exchange| match exchange {
        Ok(exchange) => check_record(exchange, &streams),
        Err(error) => ReceiptOutcome::Rejected(error.clone()),
    });
    let receipts = receipts.collect();
    let report = |(stream, checked)| stream_report(stream, checked, until);
    Ok(TrailReport { streams: streams.into_iter().map(report).collect(), receipts, other_lines })
}

/// The check of the records of each stream.
type Checkers = BTreeMap<AuditStream, RecordChecker>;

/// Makes the first pass.
fn read_digests(
    files: &[PathBuf],
    expectations: &Expectations,
    exchanges: &[Result<VerifiedExchange<'_>, ExchangeError>],
) -> Result<Checkers, TrailReadError> {
    let mut digests = DigestCollector::default();
    let mut streams = BTreeSet::new();
    for_each_line(files, |at, line| match TrailLine::parse(&without_cid(line)) {
        TrailLine::Digest(digest) => digests.add(at, &digest),
        TrailLine::Record(record) => {
            streams.insert(record.stream);
        }
        TrailLine::Other => {}
    })?;
    let mut chains = digests.verify(expectations);
    for stream in streams {
        chains.entry(stream).or_default();
    }
    let checker = |(stream, chain)| {
        let watched = exchanges.iter().flatten();
        let watched = watched.filter(|exchange| AuditStream::of(exchange.key_id()) == stream);
        let watched = watched.map(|exchange| exchange.receipt().sequence).collect();
        (stream, RecordChecker::new(chain, watched))
    };
    Ok(chains.into_iter().map(checker).collect())
}

/// Makes the second pass. Returns the number of lines that are neither records nor digests.
fn read_records(files: &[PathBuf], checkers: &mut Checkers) -> Result<u64, TrailReadError> {
    let mut other_lines: u64 = 0;
    let streams: HashMap<_, _> = checkers
        .iter()
        .flat_map(|(stream, checker)| checker.digest_places().map(|at| (at, *stream)))
        .collect();
    for_each_line(files, |at, line| {
        let line = without_cid(line);
        match TrailLine::parse(&line) {
            TrailLine::Record(record) => {
                if let Some(checker) = checkers.get_mut(&record.stream) {
                    checker.add(at, &line, &record);
                }
            }
            TrailLine::Digest(_) => {
                // The line may name another stream than the digest. A forged digest belongs to none.
                let stream = streams.get(&at);
                if let Some(checker) = stream.and_then(|stream| checkers.get_mut(stream)) {
                    checker.pass_digest(at);
                }
            }
            TrailLine::Other => other_lines = other_lines.saturating_add(1),
        }
    })?;
    Ok(other_lines)
}

fn stream_report(
    stream: AuditStream,
    checked: CheckedRecords,
    until: Option<UnixMillis>,
) -> StreamReport {
    let CheckedRecords { chain, records, verified, tail, findings: more, .. } = checked;
    let mut findings = chain.findings;
    if chain.digests == 0 && !findings.contains(&Finding::NoDocument) {
        findings.push(Finding::NoDigest);
    }
    if let (Some(until), Some((_, last)), false) = (until, chain.times, chain.has_ended)
        && last < until
    {
        findings.push(Finding::EndsTooEarly { last, until });
    }
    findings.extend(more);
    let (identity, digests, times, has_ended) =
        (chain.identity, chain.digests, chain.times, chain.has_ended);
    StreamReport { stream, identity, records, verified, digests, times, has_ended, tail, findings }
}
