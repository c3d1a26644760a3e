//! The subcommand `verify-receipt`.

mod exchange_report;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use attestation::receipt::ReceiptSet;
use attested_recipient::{AllowedSources, ContentKey};
use clap::Args;
use serde_json::{Value, json};

use self::exchange_report::{Options, TimeStamp, exchange_report};
use super::bounded_read::read;
use super::error::CommandError;
use super::exchange_file::ExchangeFile;
use super::expectations::ExpectationArgs;
use super::report::{OutputFormat, Report};
use super::value_parsers::Hex;

/// Verify stored exchanges: that an enclave with the expected measurements answered these requests with
/// these responses.
///
/// The command needs no network. It prints one line per step of the checklist, and what the receipt
/// proves; the exit status is 0 only if all steps pass. The root and the measurements never come from the
/// file. Several files form a set, in which no two receipts may have the same key and number.
#[derive(Debug, Args)]
pub(super) struct VerifyReceipt {
    /// File with an exchange, as `attested-recipient random --save-exchange` writes it.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    expectations: ExpectationArgs,
    /// Also accept random bytes of the custom key store with this ID; may be repeated. The receipt does
    /// not prove that these bytes are random.
    #[arg(long, value_name = "ID")]
    allow_key_store: Vec<String>,
    /// Expected nonce of the receipt. Only with one FILE.
    #[arg(long, value_name = "HEX")]
    nonce: Option<Hex>,
    /// File with the content key of the response, as `attested-recipient disclose` writes it. The command
    /// then prints the random bytes. Only with one FILE.
    #[arg(long, value_name = "FILE")]
    disclosure: Option<PathBuf>,
    /// RFC 3161 time stamp of FILE, as a TimeStampResp or TimeStampToken in DER, within three hours after the
    /// document and the receipt. It shows that FILE existed before the certificates of the document expired. Only
    /// with one FILE.
    #[arg(long, value_name = "TOKEN", requires = "tsa_root")]
    timestamp: Option<PathBuf>,
    /// Root certificate of the time-stamping authority.
    #[arg(long, value_name = "PEM", requires = "timestamp")]
    tsa_root: Option<PathBuf>,
    /// Format of the report.
    #[arg(long, value_enum, default_value_t = OutputFormat::Text)]
    output: OutputFormat,
}

impl VerifyReceipt {
    pub(super) fn run(self) -> Result<(), CommandError> {
        let mut options = self.options()?;
        let mut reports = Vec::new();
        for path in &self.files {
            let file = ExchangeFile::read(path)?;
            let report = exchange_report(&file, &mut options);
            reports.push((path.as_path(), report));
        }
        let mut stdout = io::stdout().lock();
        match self.output {
            OutputFormat::Text => write_text(&mut stdout, &reports)?,
            OutputFormat::Json => writeln!(stdout, "{}", to_json(&reports))?,
        }
        stdout.flush()?;
        match are_verified(&reports) {
            true => Ok(()),
            false => Err(CommandError::Rejected),
        }
    }

    fn options(&self) -> Result<Options, CommandError> {
        let has_several = self.files.len() > 1;
        for (option, is_given) in [
            ("--nonce", self.nonce.is_some()),
            ("--disclosure", self.disclosure.is_some()),
            ("--timestamp", self.timestamp.is_some()),
        ] {
            if has_several && is_given {
                return Err(CommandError::Usage(format!(
                    "{option} belongs to one exchange: give one FILE"
                )));
            }
        }
        let sources = self
            .allow_key_store
            .iter()
            .fold(AllowedSources::nsm(), |sources, id| sources.with_key_store(id));
        Ok(Options {
            expectations: self.expectations.expectations()?,
            sources,
            nonce: self.nonce.as_ref().map(|Hex(nonce)| nonce.clone()),
            disclosure: self.disclosure.as_deref().map(read_disclosure).transpose()?,
            set: has_several.then(ReceiptSet::default),
            time_stamp: self.time_stamp()?,
        })
    }

    fn time_stamp(&self) -> Result<Option<TimeStamp>, CommandError> {
        let (Some(token), Some(root)) = (&self.timestamp, &self.tsa_root) else { return Ok(None) };
        Ok(Some(TimeStamp { token: read(token)?, roots_pem: read(root)? }))
    }
}

fn read_disclosure(path: &Path) -> Result<ContentKey, CommandError> {
    let bytes = zeroize::Zeroizing::new(read(path)?);
    let text = String::from_utf8_lossy(&bytes);
    ContentKey::from_hex(&text)
        .map_err(|error| CommandError::Content { path: path.to_owned(), reason: error.to_string() })
}

fn are_verified(reports: &[(&Path, Report)]) -> bool {
    reports.iter().all(|(_, report)| report.is_verified())
}

fn write_text(out: &mut impl Write, reports: &[(&Path, Report)]) -> io::Result<()> {
    for (path, report) in reports {
        if reports.len() > 1 {
            writeln!(out, "{}:", path.display())?;
        }
        write!(out, "{report}")?;
        for (name, value) in report.content.as_object().into_iter().flatten() {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            writeln!(out, "  {name:<13} {value}")?;
        }
    }
    Ok(())
}

/// Returns the reports for programs.
fn to_json(reports: &[(&Path, Report)]) -> Value {
    let exchanges: Vec<_> = reports
        .iter()
        .map(|(path, report)| {
            let report = report.to_json("steps", "proved");
            json!({ "file": path.display().to_string(), "report": report })
        })
        .collect();
    json!({ "verified": are_verified(reports), "exchanges": exchanges })
}
