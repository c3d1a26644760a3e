//! The report about a trail.

use std::fmt;

use attestation::AuditStream;
use attestation::receipt::VerifiedIdentity;
use attestation::time::UnixMillis;

use super::finding::Finding;
use super::receipt_check::ReceiptOutcome;
use super::record_checker::Tail;

/// The result of the verification of a trail.
#[derive(Debug)]
pub struct TrailReport {
    /// The streams, in the order of their names.
    pub streams: Vec<StreamReport>,
    /// The results of the receipts, in the order in which they were given.
    pub receipts: Vec<ReceiptOutcome>,
    /// The number of lines that are neither records nor digests.
    pub other_lines: u64,
}

/// The result of one stream.
#[derive(Debug)]
pub struct StreamReport {
    /// The name of the stream.
    pub stream: AuditStream,
    /// The enclave, if an attestation document was accepted.
    pub identity: Option<VerifiedIdentity>,
    /// The number of lines with records.
    pub records: u64,
    /// The number of records that digests prove.
    pub verified: u64,
    /// The number of verified digests.
    pub digests: u64,
    /// The times of the first and the last digest.
    pub times: Option<(UnixMillis, UnixMillis)>,
    /// True if the last digest says that the stream ended in order.
    pub has_ended: bool,
    /// The records after the last digest. No digest covers them.
    pub tail: Option<Tail>,
    /// The findings.
    pub findings: Vec<Finding>,
}

impl TrailReport {
    /// Returns whether the trail is complete and unchanged as far as its digests prove, and contains the records of all
    /// receipts.
    pub fn is_verified(&self) -> bool {
        let findings = self.streams.iter().flat_map(|stream| &stream.findings);
        !self.streams.is_empty()
            && !findings.into_iter().any(Finding::is_failure)
            && self.receipts.iter().all(ReceiptOutcome::is_proved)
    }
}

impl fmt::Display for TrailReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.streams.is_empty() {
            writeln!(formatter, "FAILED: the files contain no audit record and no digest")?;
        }
        self.streams.iter().try_for_each(|stream| write!(formatter, "{stream}"))?;
        if self.other_lines > 0 {
            writeln!(
                formatter,
                "lines that are neither records nor digests: {}",
                self.other_lines
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for StreamReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "stream {}", self.stream)?;
        if let Some(identity) = &self.identity {
            write!(formatter, " of {}", identity.module_id())?;
            if let Some(set) = identity.set_name() {
                write!(formatter, ", measurements {set}")?;
            }
        }
        writeln!(formatter)?;
        writeln!(formatter, "  records: {}, of which {} are proved", self.records, self.verified)?;
        write!(formatter, "  digests: {}", self.digests)?;
        if let Some((first, last)) = self.times {
            write!(formatter, ", from {first} to {last}")?;
        }
        writeln!(formatter)?;
        writeln!(formatter, "  end: {}", self.end())?;
        if let Some(tail) = &self.tail {
            writeln!(formatter, "  {tail}")?;
        }
        for finding in &self.findings {
            let kind = if finding.is_failure() { "FAILED" } else { "note" };
            writeln!(formatter, "  {kind}: {finding}")?;
        }
        Ok(())
    }
}

impl StreamReport {
    fn end(&self) -> &'static str {
        match self.has_ended {
            true => "the enclave ended the stream",
            false => {
                "open: the enclave was killed or still runs, or the end of the trail is missing"
            }
        }
    }
}

impl fmt::Display for Tail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, records, absent, times: (first, last) } = self;
        write!(formatter, "not covered by a digest: {records} ({count}), from {first} to {last}")?;
        if let Some((some, more)) = absent.split_first() {
            write!(formatter, "; absent among them: {some}")?;
            more.iter().try_for_each(|records| write!(formatter, ", {records}"))?;
        }
        Ok(())
    }
}
