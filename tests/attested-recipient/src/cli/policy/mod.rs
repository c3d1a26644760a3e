//! The subcommand `policy`.

mod context;

use std::fmt::{self, Display, Formatter};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use attestation::{
    DebugMode, Pcrs, Production, TrustAnchors, UnverifiedDocument, VerifiedDocument,
};
use clap::{Args, Subcommand};
use enclave::iam::{Decision, Explanation, Measurements, Policy, action_name, evaluate, explain};
use kms_api::Operation;

use self::context::{ContextEntry, PolicyRequest, parse_action};
use super::bounded_read::read;
use super::error::{CommandError, anchor_error};

/// Examine policies.
#[derive(Debug, Args)]
pub(super) struct PolicyCommand {
    #[command(subcommand)]
    command: PolicySubcommand,
}

#[derive(Debug, Subcommand)]
enum PolicySubcommand {
    Check(Check),
}

/// Print the decision of policies for a request, and the reasons. The exit status is 0 only if the
/// policies allow the request.
#[derive(Debug, Args)]
struct Check {
    /// Policy in AWS's JSON format; may be repeated.
    #[arg(long, value_name = "FILE", required = true)]
    policy: Vec<PathBuf>,
    /// Attestation document of the request's Recipient, as raw bytes. The document must verify at
    /// its own timestamp. Without --document, the request has no Recipient.
    #[arg(long, value_name = "FILE")]
    document: Option<PathBuf>,
    /// Additional trust anchor for the document, such as a simulator's root; may be repeated.
    #[arg(long, value_name = "PEM")]
    root: Vec<PathBuf>,
    /// Value of a condition key of the request, such as aws:CurrentTime=2026-02-03T10:12:02Z; may
    /// be repeated. kms:RecipientAttestation:PCR0=HEX can replace --document.
    #[arg(long, value_name = "KEY=VALUE")]
    context: Vec<ContextEntry>,
    /// Action of the request.
    #[arg(long, default_value = "kms:GenerateRandom", value_parser = parse_action)]
    action: Operation,
}

impl PolicyCommand {
    pub(super) fn run(self) -> Result<(), CommandError> {
        let PolicySubcommand::Check(check) = self.command;
        check.run()
    }
}

impl Check {
    fn run(self) -> Result<(), CommandError> {
        let policies =
            self.policy.iter().map(|path| read_policy(path)).collect::<Result<Vec<_>, _>>()?;
        let request = PolicyRequest::from_entries(&self.context)?;
        let document = match &self.document {
            Some(path) => Some(verify_document(path, &self.root)?),
            None if self.root.is_empty() => None,
            None => return Err(CommandError::Usage("--root requires --document".to_owned())),
        };
        let pcrs = document.as_ref().map(|document| document.claims().pcrs());
        let measurements = measurements(pcrs.as_ref(), &request)?;
        if measurements.is_some() && self.action != Operation::GenerateRandom {
            let action = action_name(self.action);
            return Err(CommandError::Usage(format!(
                "{action} has no Recipient: remove --document, and remove the PCRs from --context"
            )));
        }
        let context = request.context(self.action, measurements);
        let report = Report {
            action: self.action,
            decision: evaluate(&policies, &context),
            explanations: explain(&policies, &context).collect(),
        };
        let mut stdout = io::stdout().lock();
        write!(stdout, "{report}")?;
        stdout.flush()?;
        policies.iter().flat_map(Policy::warnings).for_each(|warning| warn(&warning));
        if context.source_ip.is_none() {
            let warnings = policies.iter().flat_map(Policy::warnings_without_client_addr);
            warnings.for_each(|warning| warn(&warning));
        }
        if pcrs.is_some_and(|pcrs| pcrs.is_debug_mode()) {
            warn(
                "the document comes from an enclave in debug mode: the service rejects the \
                 document by default, regardless of policies",
            );
        }
        let is_allowed = matches!(report.decision, Decision::Allowed(_));
        if is_allowed { Ok(()) } else { Err(CommandError::Rejected) }
    }
}

fn read_policy(path: &Path) -> Result<Policy, CommandError> {
    Ok(Policy::parse(&path.display().to_string(), &read(path)?)?)
}

/// Verifies a document. Accepts debug mode, because the policies decide on it.
fn verify_document(
    path: &Path,
    roots: &[PathBuf],
) -> Result<VerifiedDocument<Production>, CommandError> {
    let mut anchors = TrustAnchors::aws_nitro();
    for root in roots {
        anchors.add_pem(&read(root)?).map_err(|error| anchor_error(root, &error))?;
    }
    let unusable = |error: &dyn Display| {
        let reason = format!("the document does not verify, so no policy is evaluated: {error}");
        CommandError::Content { path: path.to_owned(), reason }
    };
    let document = UnverifiedDocument::parse(read(path)?).map_err(|error| unusable(&error))?;
    document.verify_at_document_time(&anchors, DebugMode::Allow).map_err(|error| unusable(&error))
}

fn measurements<'a>(
    document: Option<&'a Pcrs<'_>>,
    request: &'a PolicyRequest,
) -> Result<Option<&'a dyn Measurements>, CommandError> {
    match (document, request.registers()) {
        (Some(_), Some(_)) => Err(CommandError::Usage(
            "--document already contains the measurements: remove the kms:RecipientAttestation \
             keys from --context"
                .to_owned(),
        )),
        (Some(pcrs), None) => Ok(Some(pcrs)),
        (None, Some(registers)) => Ok(Some(registers)),
        (None, None) => Ok(None),
    }
}

/// Prints a warning. If standard error is closed, the warning is lost.
fn warn(warning: &str) {
    drop(writeln!(io::stderr(), "attested-recipient: warning: {warning}"));
}

/// The decision, and one line per statement.
struct Report<'p, 'c> {
    action: Operation,
    decision: Decision<'p>,
    explanations: Vec<Explanation<'p, 'c>>,
}

impl Display for Report<'_, '_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self.decision {
            Decision::Allowed(by) => writeln!(out, "allowed by {by}")?,
            Decision::Denied(by) => writeln!(out, "denied by {by}")?,
            Decision::NotAllowed => {
                writeln!(out, "not allowed: no statement allows {}", action_name(self.action))?;
            }
        }
        for explanation in &self.explanations {
            writeln!(out, "{explanation}")?;
        }
        Ok(())
    }
}
