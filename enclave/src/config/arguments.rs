//! The command lines, and the environment, which says what no flag does.

use std::path::PathBuf;

use clap::{Args, Parser};
use transport::Endpoint;
use transport::logging::{Format, Level};

/// What the command lines of both binaries have in common.
#[derive(Debug, Default, Args)]
pub struct Arguments {
    /// Where to listen: vsock:CID:PORT, vsock-mux:PATH:PORT, unix:PATH, tcp:HOST:PORT or HOST:PORT.
    #[arg(long, value_name = "ENDPOINT", env = "ENCLAVE_LISTEN")]
    pub listen: Option<Endpoint>,
    /// Where to serve /healthz, /readyz and /metrics in plain, and nothing else.
    #[arg(long, value_name = "ENDPOINT", env = "ENCLAVE_ADMIN_LISTEN")]
    pub admin_listen: Option<Endpoint>,
    /// Expect a PROXY header, version 2, at the beginning of each client's connection.
    #[arg(long, value_name = "BOOL", env = "ENCLAVE_PROXY_PROTOCOL")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub proxy_protocol: Option<bool>,
    /// Where to send the log, as JSON, and audit records, in place of stderr and stdout.
    #[arg(long, value_name = "ENDPOINT", env = "ENCLAVE_LOG_ENDPOINT")]
    pub log_endpoint: Option<Endpoint>,
    /// What a line of the log on stderr is: text (the default) or json.
    #[arg(long, value_name = "FORMAT", env = "ENCLAVE_LOG_FORMAT")]
    pub log_format: Option<Format>,
    /// The least that is logged: error, warn, info (the default), debug or trace.
    #[arg(long, value_name = "LEVEL", env = "ENCLAVE_LOG_LEVEL")]
    pub log_level: Option<Level>,
    /// Configuration: TOML, or as FILE.tar the archive of it and its files.
    #[arg(long, value_name = "FILE", env = "ENCLAVE_CONFIG")]
    pub config: Option<PathBuf>,
    /// Print what is in effect as TOML, without its secrets, and exit.
    #[arg(long)]
    pub print_config: bool,
}

/// The command line of an enclave.
///
/// Answers KMS GenerateRandom, sealed to the key in the caller's attestation document.
#[derive(Debug, Parser)]
#[command(version)]
pub struct EnclaveArguments {
    /// What both binaries have.
    #[command(flatten)]
    pub common: Arguments,
    /// Take the configuration from the parent instance, from that vsock port, instead.
    #[arg(
        long,
        value_name = "PORT",
        env = "ENCLAVE_CONFIG_FROM_PARENT",
        conflicts_with = "config"
    )]
    pub config_from_parent: Option<u32>,
}
