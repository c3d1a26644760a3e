//! The subcommand `audit verify`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use attestation::time::UnixMillis;
use attested_recipient::audit::{TrailReport, verify_trail};
use clap::Args;

use super::super::error::CommandError;
use super::super::exchange_file::ExchangeFile;
use super::super::expectations::ExpectationArgs;

/// Verify an audit trail by the digests that enclaves sign every minute.
///
/// The files may contain the lines of several enclaves and other log lines. The command names altered,
/// missing, repeated and reordered records and missing digests, and what no digest covers. The exit status
/// is 0 only if it finds none of these faults and each stream has a verified digest. Records that an
/// enclave dropped itself, and records after the last digest, are printed but do not change the exit
/// status.
///
/// The trail does not show that a stream was cut after a digest, or that all lines of an enclave are
/// missing. Use --receipt and --until to detect such a loss.
#[derive(Debug, Args)]
pub(super) struct VerifyTrail {
    /// File with lines of the trail; several files are in the order of time.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    expectations: ExpectationArgs,
    /// Stored exchange whose record must be in the trail, under a digest, as `attested-recipient random
    /// --save-exchange` writes it; may be repeated.
    #[arg(long, value_name = "FILE")]
    receipt: Vec<PathBuf>,
    /// Require digests of each stream until this time, such as 2026-12-01T00:00:00Z. A stream that its
    /// enclave ended may end before.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    until: Option<UnixMillis>,
}

impl VerifyTrail {
    pub(super) fn run(self) -> Result<(), CommandError> {
        let expectations = self.expectations.expectations()?;
        let exchanges = self.receipt.iter().map(|path| Ok(ExchangeFile::read(path)?.exchange));
        let exchanges = exchanges.collect::<Result<Vec<_>, CommandError>>()?;
        let report = verify_trail(&self.files, &expectations, &exchanges, self.until)
            .map_err(|error| CommandError::File { path: error.path, error: error.error })?;
        let receipts: Vec<_> = self.receipt.iter().map(PathBuf::as_path).collect();
        write_report(&mut io::stdout().lock(), &report, &self.files, &receipts)?;
        match report.is_verified() {
            true => Ok(()),
            false => Err(CommandError::Rejected),
        }
    }
}

fn write_report(
    out: &mut impl Write,
    report: &TrailReport,
    files: &[PathBuf],
    receipts: &[&Path],
) -> io::Result<()> {
    if files.len() > 1 {
        for (path, number) in files.iter().zip(1_u64..) {
            writeln!(out, "file {number}: {}", path.display())?;
        }
    }
    write!(out, "{report}")?;
    for (path, outcome) in receipts.iter().zip(&report.receipts) {
        let kind = if outcome.is_proved() { "receipt" } else { "FAILED: receipt" };
        writeln!(out, "{kind} {}: {outcome}", path.display())?;
    }
    writeln!(out, "{}", if report.is_verified() { "verified" } else { "REJECTED" })?;
    out.flush()
}

fn parse_time(text: &str) -> Result<UnixMillis, String> {
    UnixMillis::from_rfc3339(text)
        .ok_or_else(|| "not a time of RFC 3339 in UTC, such as 2026-12-01T00:00:00Z".to_owned())
}
