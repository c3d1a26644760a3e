//! The subcommand `verify`.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::PathBuf;

use attestation::{
    Claims, ClockReading, DebugMode, MaxAge, Production, Rule, TrustAnchors, UntrustedDocument,
    UnverifiedDocument, VerifiedDocument,
};
use clap::Args;
use enclave::clock::{Clock, SystemClock};
use serde_json::{Map, Value, json};

use super::bounded_read::read;
use super::error::{CommandError, anchor_error};
use super::report::{Outcome, OutputFormat, Report};
use super::value_parsers::{Pcr, VerificationTime, max_age};

/// Verify an attestation document under AWS's root. Prints one line per rule; the exit status is 0 only
/// if all rules hold.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// File with the document, as raw bytes.
    file: PathBuf,
    /// Time of the verification: now, document (the document's timestamp), or a time such as
    /// 2026-02-03T10:12:02Z.
    #[arg(long, value_name = "now|document|RFC3339", default_value = "now")]
    at: VerificationTime,
    /// Additional trust anchor, such as a simulator's root; may be repeated.
    #[arg(long, value_name = "PEM")]
    root: Vec<PathBuf>,
    /// Expected value of a PCR, 48 bytes; may be repeated.
    #[arg(long, value_name = "N=HEX")]
    pcr: Vec<Pcr>,
    /// Maximum age of the document, in seconds. With "chain", the document may have any age while
    /// its certificates are valid.
    #[arg(long, value_name = "SECONDS|chain", default_value = "300", value_parser = max_age)]
    max_age: MaxAge,
    /// Accept a document of an enclave in debug mode.
    #[arg(long)]
    allow_debug: bool,
    /// Also check that random bytes can be sealed to the document's public key.
    #[arg(long)]
    recipient: bool,
    /// Format of the report.
    #[arg(long, value_enum, default_value_t = OutputFormat::Text)]
    output: OutputFormat,
}

impl Verify {
    pub(super) fn run(self) -> Result<(), CommandError> {
        let mut anchors = TrustAnchors::aws_nitro();
        for path in &self.root {
            anchors.add_pem(&read(path)?).map_err(|error| anchor_error(path, &error))?;
        }
        let report = self.report(read(&self.file)?, &anchors);
        let mut stdout = io::stdout().lock();
        match self.output {
            OutputFormat::Text => write!(stdout, "{report}")?,
            OutputFormat::Json => writeln!(stdout, "{}", report.to_json("rules", "document"))?,
        }
        stdout.flush()?;
        if report.is_verified() { Ok(()) } else { Err(CommandError::Rejected) }
    }

    fn report(&self, bytes: Vec<u8>, anchors: &TrustAnchors<Production>) -> Report {
        let document = match UnverifiedDocument::parse(bytes) {
            Ok(document) => document,
            Err(error) => {
                let rule = error.rule();
                let holds = |other: Rule| other.passed_if_broken(rule);
                return self.rejection_report(rule, holds, &error);
            }
        };
        match self.verify(document, anchors) {
            Ok(document) => self.verified_report(&document),
            Err(error) => self.rejection_report(error.rule(), |rule| error.passed(rule), &error),
        }
    }

    fn verify(
        &self,
        document: UnverifiedDocument,
        anchors: &TrustAnchors<Production>,
    ) -> Result<VerifiedDocument<Production>, UntrustedDocument> {
        let debug = if self.allow_debug { DebugMode::Allow } else { DebugMode::Reject };
        let now = match self.at {
            VerificationTime::Document => return document.verify_at_document_time(anchors, debug),
            VerificationTime::Now => ClockReading::this_machine(SystemClock.now()),
            VerificationTime::Given(moment) => ClockReading::given(moment),
        };
        document.verify_live(anchors, now, self.max_age, debug)
    }

    /// Returns the report for a document that violates the rule `broken`. `holds` returns true for
    /// a rule that was checked before and holds.
    fn rejection_report(
        &self,
        broken: Rule,
        holds: impl Fn(Rule) -> bool,
        error: &dyn Display,
    ) -> Report {
        let mut report = Report::default();
        for rule in Rule::ALL {
            let outcome = if rule == broken {
                Outcome::Rejected(error.to_string())
            } else if holds(rule) {
                self.passed_outcome(rule)
            } else {
                Outcome::NotReached
            };
            report.push(rule.name(), outcome);
        }
        for pcr in &self.pcr {
            report.push(pcr_name(pcr), Outcome::NotReached);
        }
        if self.recipient {
            report.push(RECIPIENT, Outcome::NotReached);
        }
        report
    }

    fn verified_report(&self, document: &VerifiedDocument<Production>) -> Report {
        let mut report = Report::default();
        report.content = claims_json(&document.claims());
        for rule in Rule::ALL {
            report.push(rule.name(), self.passed_outcome(rule));
        }
        for pcr in &self.pcr {
            let actual = document.claims().pcrs().value(pcr.index.into());
            let outcome = match actual {
                Some(value) if *value == pcr.value => Outcome::Passed,
                Some(value) => {
                    Outcome::Rejected(format!("the value is {}", const_hex::encode(value)))
                }
                None => Outcome::Rejected("the document does not contain this PCR".to_owned()),
            };
            report.push(pcr_name(pcr), outcome);
        }
        if self.recipient {
            let outcome = match document.recipient_key() {
                Ok(_) => Outcome::Passed,
                Err(error) => Outcome::Rejected(error.to_string()),
            };
            report.push(RECIPIENT, outcome);
        }
        report
    }

    /// Returns the outcome of a rule that did not reject the document.
    fn passed_outcome(&self, rule: Rule) -> Outcome {
        match rule {
            Rule::DocumentAge if matches!(self.at, VerificationTime::Document) => {
                Outcome::Waived("verified at the document's own time")
            }
            Rule::DocumentAge if self.max_age == MaxAge::Chain => {
                Outcome::Waived("any age while its certificates are valid")
            }
            Rule::DebugMode if self.allow_debug => Outcome::Waived("debug mode is allowed"),
            _ => Outcome::Passed,
        }
    }
}

/// Returns the claims of a verified document as JSON, for programs that read the report.
fn claims_json(claims: &Claims<'_>) -> Value {
    let pcrs: Map<String, Value> = claims
        .pcrs()
        .iter()
        .map(|(index, value)| (index.to_string(), const_hex::encode(value).into()))
        .collect();
    let hex = |bytes: Option<&[u8]>| bytes.map(const_hex::encode);
    json!({
        "module_id": claims.module_id(),
        "timestamp": claims.timestamp().to_string(),
        claims.pcrs().family().field(): pcrs,
        "public_key": hex(claims.public_key()),
        "user_data": hex(claims.user_data()),
        "nonce": hex(claims.nonce()),
    })
}

const RECIPIENT: &str = "recipient's key";

fn pcr_name(pcr: &Pcr) -> String {
    format!("PCR{} as expected", pcr.index)
}
