//! Errors of the configuration.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use transport::Endpoint;

/// An error that makes a configuration invalid.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The command line or the environment is invalid.
    #[error("{0}")]
    Arguments(#[from] clap::Error),
    /// The configuration file cannot be read.
    #[error("cannot read {}: {error}", .path.display())]
    Read {
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        error: io::Error,
    },
    /// The configuration file is not valid TOML, or contains an unknown key or an invalid value.
    #[error("{}:{line}:{column}: {message}", .path.display())]
    Parse {
        /// Path of the file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// Message of the TOML parser.
        message: String,
    },
    /// A required setting is missing.
    #[error(
        "{key} is missing: set --{}, PARENT_PROXY_{} in the environment, or {key} in the file that \
         --config names", .key.replace('_', "-"), .key.to_uppercase()
    )]
    Missing {
        /// Name of the setting in the configuration file.
        key: &'static str,
    },
    /// Two upstreams have the same endpoint.
    #[error("upstream {0} is listed twice: list each enclave once")]
    DuplicateUpstream(Endpoint),
    /// Two upstreams have the same direct listener.
    #[error("direct={0} is set for two upstreams: set a different listener for each")]
    DuplicateDirectListener(Endpoint),
    /// A listener for enclaves only is on TCP.
    #[error(
        "{key} must not be a TCP endpoint, because only enclaves may connect: listen on vsock, vsock-mux or unix"
    )]
    TcpListener {
        /// Name of the setting in the configuration file.
        key: &'static str,
    },
    /// The configuration cannot be encoded as TOML.
    #[error("cannot print the configuration: {0}")]
    Serialize(#[from] toml::ser::Error),
}

impl ConfigError {
    pub(super) fn missing(key: &'static str) -> Self {
        Self::Missing { key }
    }

    /// Converts an error of the TOML parser, with its position in `text`.
    pub(super) fn parse(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        let start = error.span().map_or(0, |span| span.start);
        let before = text.get(..start).unwrap_or(text);
        let column = before.chars().rev().take_while(|&character| character != '\n').count() + 1;
        Self::Parse {
            path: path.to_owned(),
            line: before.matches('\n').count() + 1,
            column,
            message: error.message().to_owned(),
        }
    }
}
