use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use transport::Endpoint;

/// Why a configuration is refused.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The command line or the environment.
    #[error("{0}")]
    Arguments(#[from] clap::Error),
    /// No file.
    #[error("cannot read {}: {error}", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file that says what is not known. Lines and columns count from 1.
    #[error("{}:{line}:{column}: {message}", .path.display())]
    Parse {
        /// Which.
        path: PathBuf,
        /// Where.
        line: usize,
        /// Where in it.
        column: usize,
        /// What.
        message: String,
    },
    /// Nothing says it.
    #[error(
        "{key} is missing: set --{}, PARENT_PROXY_{} in the environment, or {key} in the file that \
         --config names", .key.replace('_', "-"), .key.to_uppercase()
    )]
    Missing {
        /// As the file has it.
        key: &'static str,
    },
    /// An enclave that is listed again.
    #[error("upstream {0} is listed twice: list each enclave once")]
    DuplicateUpstream(Endpoint),
    /// A direct listener of two enclaves.
    #[error("direct={0} is set for two upstreams: set a different listener for each")]
    DuplicateDirectListener(Endpoint),
    /// A port that is not for enclaves alone.
    #[error(
        "{key}: only enclaves may connect here, and other hosts can reach a TCP port: listen on vsock, \
         vsock-mux or unix"
    )]
    TcpListener {
        /// As the file has it.
        key: &'static str,
    },
    /// It cannot be shown.
    #[error("cannot print the configuration: {0}")]
    Serialize(#[from] toml::ser::Error),
}

impl ConfigError {
    pub(super) fn missing(key: &'static str) -> Self {
        Self::Missing { key }
    }

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
