//! The command-line arguments. Environment variables set the defaults of the arguments.

use std::path::PathBuf;

use clap::{Args, Parser};
use transport::Endpoint;
use transport::logging::{Format, Level};

/// The arguments of both binaries.
#[derive(Debug, Default, Args)]
pub struct Arguments {
    /// Endpoint to listen on: vsock:CID:PORT, vsock-mux:PATH:PORT, unix:PATH, tcp:HOST:PORT or HOST:PORT.
    /// Required, unless the configuration sets listen.
    #[arg(long, value_name = "ENDPOINT", env = "ENCLAVE_LISTEN")]
    pub listen: Option<Endpoint>,
    /// Endpoint that serves /healthz, /readyz and /metrics, without TLS.
    #[arg(long, value_name = "ENDPOINT", env = "ENCLAVE_ADMIN_LISTEN")]
    pub admin_listen: Option<Endpoint>,
    /// Require a PROXY protocol v2 header at the start of each client connection.
    #[arg(long, value_name = "BOOL", env = "ENCLAVE_PROXY_PROTOCOL")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub proxy_protocol: Option<bool>,
    /// Endpoint that receives the log, as JSON, and the audit records, instead of stderr and stdout.
    #[arg(long, value_name = "ENDPOINT", env = "ENCLAVE_LOG_ENDPOINT")]
    pub log_endpoint: Option<Endpoint>,
    /// Format of log lines on stderr: text (the default) or json.
    #[arg(long, value_name = "FORMAT", env = "ENCLAVE_LOG_FORMAT")]
    pub log_format: Option<Format>,
    /// Minimum level of log lines: error, warn, info (the default), debug or trace.
    #[arg(long, value_name = "LEVEL", env = "ENCLAVE_LOG_LEVEL")]
    pub log_level: Option<Level>,
    /// Configuration: a TOML file, or a .tar archive made by `attested-recipient config-archive`.
    #[arg(long, value_name = "FILE", env = "ENCLAVE_CONFIG")]
    pub config: Option<PathBuf>,
    /// Print the effective configuration as TOML, without its secrets, and exit.
    #[arg(long)]
    pub print_config: bool,
}

/// Serves KMS GenerateRandom in a Nitro Enclave, with responses encrypted to the key in the caller's
/// attestation document.
#[derive(Debug, Parser)]
#[command(version)]
pub struct EnclaveArguments {
    /// The arguments of both binaries.
    #[command(flatten)]
    pub common: Arguments,
    /// Fetch the configuration from this vsock port of the parent instance, instead of from a file.
    #[arg(
        long,
        value_name = "PORT",
        env = "ENCLAVE_CONFIG_FROM_PARENT",
        conflicts_with = "config"
    )]
    pub config_from_parent: Option<u32>,
}
