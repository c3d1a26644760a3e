//! The subcommands, one per module.
//!
//! The exit status is 0 for success, 1 for a rejection or a failure, and 2 for invalid usage. The
//! subcommand `trust` has a different status for each kind of rejection.

mod atomic_file;
mod audit;
mod bounded_read;
mod build_eif;
mod config;
mod disclose;
mod document;
mod eif;
mod endpoint_args;
mod error;
mod exchange_file;
mod expectations;
mod inspect;
mod open;
mod policy;
mod proxy;
mod random;
mod recipient_key;
mod report;
mod trust;
mod trust_error;
mod value_parsers;
mod verify;
mod verify_receipt;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::error::CommandError;

/// Requests random bytes that only this process can decrypt, and examines attestation documents, sealed
/// responses, policies, configurations and enclave images.
#[derive(Debug, Parser)]
#[command(name = "attested-recipient", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Random(random::Random),
    Document(document::DocumentCommand),
    Open(open::Open),
    Inspect(inspect::Inspect),
    Verify(verify::Verify),
    VerifyReceipt(verify_receipt::VerifyReceipt),
    Disclose(disclose::Disclose),
    Audit(audit::AuditCommand),
    Trust(trust::Trust),
    Proxy(proxy::ProxyCommand),
    Policy(policy::PolicyCommand),
    ConfigArchive(config::ConfigArchive),
    ConfigPcr(config::ConfigPcr),
    Eif(eif::Eif),
    BuildEif(build_eif::BuildEif),
}

impl Cli {
    /// Runs the subcommand, and prints its error.
    pub(crate) fn run(self) -> ExitCode {
        let result = match self.command {
            Command::Random(command) => command.run(),
            Command::Document(command) => command.run(),
            Command::Open(command) => command.run(),
            Command::Inspect(command) => command.run(),
            Command::Verify(command) => command.run(),
            Command::VerifyReceipt(command) => command.run(),
            Command::Disclose(command) => command.run(),
            Command::Audit(command) => command.run(),
            Command::Trust(command) => command.run(),
            Command::Proxy(command) => command.run(),
            Command::Policy(command) => command.run(),
            Command::ConfigArchive(command) => command.run(),
            Command::ConfigPcr(command) => command.run(),
            Command::Eif(command) => command.run(),
            Command::BuildEif(command) => command.run(),
        };
        match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                if !matches!(failure, CommandError::Rejected) {
                    // If standard error is closed, the error cannot be reported.
                    drop(writeln!(io::stderr(), "attested-recipient: {failure}"));
                }
                failure.exit_code()
            }
        }
    }
}
