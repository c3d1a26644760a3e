//! The error type of every subcommand, and the exit status for each error.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use attestation::{AnchorError, MalformedDocument};
use attested_recipient::proxy::ProxyError;
use attested_recipient::{ClientError, DisclosureError, OpenError, PrivateKeyError};
use enclave::config::{BundleError, ConfigError};
use enclave::iam::PolicyError;
use nsm_device::NsmUnavailable;
use thiserror::Error;

use super::trust_error::TrustError;
use crate::eif::{EifError, RamdiskError};

/// An error of a subcommand.
#[derive(Debug, Error)]
pub(super) enum CommandError {
    /// A file that was named on the command line cannot be read or written (invalid usage).
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    /// A file that was named on the command line has invalid content (invalid usage).
    #[error("{}: {reason}", path.display())]
    Content { path: PathBuf, reason: String },
    /// The options are inconsistent (invalid usage).
    #[error("{0}")]
    Usage(String),
    /// A policy is invalid (invalid usage).
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A configuration is invalid (invalid usage).
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The files do not form a configuration (invalid usage).
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The files and options do not form a ramdisk (invalid usage).
    #[error(transparent)]
    Ramdisk(#[from] RamdiskError),
    /// A rejection. The subcommand has already printed the reason.
    #[error("rejected")]
    Rejected,
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Key(#[from] PrivateKeyError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Disclosure(#[from] DisclosureError),
    #[error(transparent)]
    Document(#[from] MalformedDocument),
    #[error("{}: {error}", path.display())]
    Image { path: PathBuf, error: EifError },
    /// The server at a URL is not an enclave that can be trusted.
    #[error("{url}: {error}")]
    Untrusted { url: String, error: Box<TrustError> },
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    #[error(transparent)]
    NsmUnavailable(#[from] NsmUnavailable),
    #[error("the Nitro Secure Module returned no attestation document: {0}")]
    Nsm(String),
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
}

impl CommandError {
    /// Returns the exit status of the process.
    pub(super) fn exit_code(&self) -> ExitCode {
        match self {
            Self::File { .. }
            | Self::Content { .. }
            | Self::Usage(_)
            | Self::Policy(_)
            | Self::Config(_)
            | Self::Bundle(_)
            | Self::Ramdisk(_) => ExitCode::from(2),
            Self::Untrusted { error, .. } => ExitCode::from(error.exit_status()),
            _ => ExitCode::FAILURE,
        }
    }
}

/// Returns the error for a file without valid trust anchors.
pub(super) fn anchor_error(path: &Path, error: &AnchorError) -> CommandError {
    CommandError::Content { path: path.to_owned(), reason: error.to_string() }
}
