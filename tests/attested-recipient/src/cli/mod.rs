//! One module a subcommand. Exit status: 0 done, 1 refused or failed, 2 used wrongly; `trust` tells
//! refusals apart.

mod build_eif;
mod config;
mod document;
mod draft;
mod eif;
mod inspect;
mod open;
mod policy;
mod random;
mod service;
mod trust;
mod values;
mod verify;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use attestation::{AnchorError, MalformedDocument};
use attested_recipient::{ClientError, OpenError, PrivateKeyError};
use clap::{Parser, Subcommand};
use enclave::config::{ConfigError, FilesError};
use enclave::iam::PolicyError;
use nsm_device::NsmUnavailable;
use thiserror::Error;

use crate::eif::{EifError, RamdiskError};

/// As much as the service reads of a policy, and far more than documents, sealed answers and keys
/// may have.
const MAX_FILE_LENGTH: u64 = 1024 * 1024;

/// Asks an enclave for random bytes that only this process can read, and looks into attestation
/// documents, sealed answers and policies.
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
    Trust(trust::Trust),
    Policy(policy::PolicyCommand),
    ConfigArchive(config::ConfigArchive),
    ConfigPcr(config::ConfigPcr),
    Eif(eif::Eif),
    BuildEif(build_eif::BuildEif),
}

/// Why a command fails.
#[derive(Debug, Error)]
enum Failure {
    /// A file named on the command line cannot be used: used wrongly.
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    /// A file named on the command line holds something else: used wrongly.
    #[error("{}: {reason}", path.display())]
    Content { path: PathBuf, reason: String },
    /// Options that do not go together: used wrongly.
    #[error("{0}")]
    Usage(String),
    /// A policy that is not one: used wrongly.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A configuration that is none: used wrongly.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Files that make no configuration: used wrongly.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// Files and options that make no ramdisk: used wrongly.
    #[error(transparent)]
    Ramdisk(#[from] RamdiskError),
    /// Said already.
    #[error("refused")]
    Refused,
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Key(#[from] PrivateKeyError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Document(#[from] MalformedDocument),
    #[error("{}: {error}", path.display())]
    Image { path: PathBuf, error: EifError },
    /// An enclave, or what says that it is one.
    #[error("{url}: {refusal}")]
    Untrusted { url: String, refusal: Box<trust::Refusal> },
    #[error(transparent)]
    NsmUnavailable(#[from] NsmUnavailable),
    #[error("the Nitro Secure Module does not attest this: {0}")]
    Nsm(String),
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::File { .. }
            | Self::Content { .. }
            | Self::Usage(_)
            | Self::Policy(_)
            | Self::Config(_)
            | Self::Files(_)
            | Self::Ramdisk(_) => ExitCode::from(2),
            Self::Untrusted { refusal, .. } => ExitCode::from(refusal.exit_status()),
            _ => ExitCode::FAILURE,
        }
    }
}

impl Cli {
    pub(crate) fn run(self) -> ExitCode {
        let result = match self.command {
            Command::Random(command) => command.run(),
            Command::Document(command) => command.run(),
            Command::Open(command) => command.run(),
            Command::Inspect(command) => command.run(),
            Command::Verify(command) => command.run(),
            Command::Trust(command) => command.run(),
            Command::Policy(command) => command.run(),
            Command::ConfigArchive(command) => command.run(),
            Command::ConfigPcr(command) => command.run(),
            Command::Eif(command) => command.run(),
            Command::BuildEif(command) => command.run(),
        };
        match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => {
                if !matches!(failure, Failure::Refused) {
                    // There is nowhere left to say that standard error is closed.
                    drop(writeln!(io::stderr(), "attested-recipient: {failure}"));
                }
                failure.exit_code()
            }
        }
    }
}

/// Reads a file that may be anything, such as a device that never ends.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    read_at_most(MAX_FILE_LENGTH, path)
}

fn read_at_most(max_length: u64, path: &Path) -> Result<Vec<u8>, Failure> {
    let read = || {
        let mut bytes = Vec::new();
        File::open(path)?.take(max_length + 1).read_to_end(&mut bytes)?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length <= max_length) {
            Ok(bytes)
        } else {
            Err(io::Error::other(format!("it is longer than {max_length} bytes")))
        }
    };
    read().map_err(|error| Failure::File { path: path.to_owned(), error })
}

fn anchor_failure(path: &Path, error: &AnchorError) -> Failure {
    Failure::Content { path: path.to_owned(), reason: error.to_string() }
}
