//! Reports of subcommands that verify: one line per check.

use std::fmt::{self, Display, Formatter};

use clap::ValueEnum;
use serde_json::{Value, json};

/// The format of a report.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum OutputFormat {
    Text,
    Json,
}

/// The outcome of one check.
pub(super) enum Outcome {
    Passed,
    /// The check was not made, or could not reject the subject.
    Waived(&'static str),
    Rejected(String),
    NotReached,
}

/// A report with one line per check, in the order of the checks.
#[derive(Default)]
pub(super) struct Report {
    lines: Vec<(String, Outcome)>,
    /// The verified content, or null if the subject was rejected.
    pub(super) content: Value,
}

impl Report {
    pub(super) fn push(&mut self, name: impl Into<String>, outcome: Outcome) {
        self.lines.push((name.into(), outcome));
    }

    /// Returns whether no check rejected the subject.
    pub(super) fn is_verified(&self) -> bool {
        self.lines
            .iter()
            .all(|(_, outcome)| matches!(outcome, Outcome::Passed | Outcome::Waived(_)))
    }

    /// Returns the report for programs. `checks` and `content` are the names of these members.
    pub(super) fn to_json(&self, checks: &str, content: &str) -> Value {
        let lines: Vec<Value> = (1..)
            .zip(&self.lines)
            .map(|(number, (name, outcome)): (u32, _)| {
                let (result, reason) = match outcome {
                    Outcome::Passed => ("ok", None),
                    Outcome::Waived(reason) => ("waived", Some(*reason)),
                    Outcome::Rejected(reason) => ("rejected", Some(reason.as_str())),
                    Outcome::NotReached => ("not reached", None),
                };
                json!({ "number": number, "name": name, "result": result, "reason": reason })
            })
            .collect();
        json!({ "verified": self.is_verified(), checks: lines, content: self.content })
    }
}

impl Display for Report {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        for (number, (name, outcome)) in (1..).zip(&self.lines) {
            let number: u32 = number;
            match outcome {
                Outcome::Passed => writeln!(out, "ok       {number:>2} {name}")?,
                Outcome::Waived(reason) => writeln!(out, "waived   {number:>2} {name}: {reason}")?,
                Outcome::Rejected(reason) => {
                    writeln!(out, "REJECTED {number:>2} {name}: {reason}")?
                }
                Outcome::NotReached => writeln!(out, "-        {number:>2} {name}: not reached")?,
            }
        }
        writeln!(out, "{}", if self.is_verified() { "verified" } else { "rejected" })
    }
}
