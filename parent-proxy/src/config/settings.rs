//! What can be configured, as each of the three layers has it: the command line over the environment
//! over the file.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Parser;
use serde::{Deserialize, Serialize};
use transport::Endpoint;
use transport::logging::{Format, Level};

use super::enclave::Enclave;
use super::route::{ClientListener, Route};
use super::text::{Seconds, Text};

/// Relays client connections to enclaves, byte by byte.
///
/// ENDPOINT is vsock:CID:PORT, vsock-mux:PATH:PORT, unix:PATH, tcp:HOST:PORT or HOST:PORT. vsock-mux is a
/// guest's vsock on the Unix socket PATH, as Firecracker and vhost-device-vsock serve it.
///
/// Each option can also come from the environment, or from the file of --config, as the key of its name
/// with underscores: an option overrides the environment, which overrides the file.
#[derive(Clone, Debug, Default, Parser, Deserialize, Serialize)]
#[command(name = "parent-proxy", version)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// The file: TOML.
    #[arg(long, value_name = "FILE", env = "PARENT_PROXY_CONFIG", hide_env_values = true)]
    #[serde(skip)]
    pub(super) config: Option<PathBuf>,

    /// Print what is in effect, as such a file, and end.
    #[arg(long)]
    #[serde(skip)]
    pub(super) print_config: bool,

    /// Where clients connect; `systemd` for the socket that systemd passes.
    #[arg(long, value_name = "ENDPOINT", env = "PARENT_PROXY_LISTEN")]
    pub(super) listen: Option<Text<ClientListener>>,

    /// Where an enclave listens, such as vsock:16:5000; once for each.
    ///
    /// Options follow it in any order, each with a comma before it. `admin=ENDPOINT` is where that enclave says
    /// whether it is ready. `standby` is for an enclave that gets its configuration and health checks, but no
    /// clients. `direct=ENDPOINT` (HOST:PORT or unix:PATH) is where the relay listens for connections to that
    /// enclave alone, in standby or not. In the environment upstreams are separated by one blank each, in the
    /// file they are a list.
    #[arg(long, value_name = "ENDPOINT[,OPTION]...", env = "PARENT_PROXY_UPSTREAM")]
    #[arg(value_delimiter = ' ')]
    #[serde(default)]
    pub(super) upstream: Vec<Text<Enclave>>,

    /// Where to serve /healthz, /readyz and /metrics in plain.
    #[arg(long, value_name = "ENDPOINT", env = "PARENT_PROXY_ADMIN_LISTEN")]
    pub(super) admin_listen: Option<Text<Endpoint>>,

    /// How often each enclave is asked whether it is ready, in seconds; 0 is never. [default: 2]
    #[arg(long, value_name = "SECONDS", env = "PARENT_PROXY_HEALTH_INTERVAL")]
    #[arg(allow_negative_numbers = true)]
    pub(super) health_interval: Option<Seconds<0>>,

    /// How long it may take to say so, in seconds. [default: 1]
    #[arg(long, value_name = "SECONDS", env = "PARENT_PROXY_HEALTH_TIMEOUT")]
    #[arg(allow_negative_numbers = true)]
    pub(super) health_timeout: Option<Seconds<1>>,

    /// How often in a row it may fail to say so before it gets no more clients. [default: 2]
    ///
    /// One that says it is not ready, and one where nobody listens, gets none at once.
    #[arg(long, value_name = "N", env = "PARENT_PROXY_UNHEALTHY_AFTER")]
    pub(super) unhealthy_after: Option<NonZeroUsize>,

    /// Tell enclaves each client's address, in a PROXY header of version 2, which they must expect.
    #[arg(long, value_name = "BOOL", env = "PARENT_PROXY_PROXY_PROTOCOL")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) proxy_protocol: Option<bool>,

    /// Hand this file to enclaves, which take their configuration from it when they boot.
    ///
    /// It is an archive as `attested-recipient config-archive` makes it, and holds secrets.
    #[arg(long, value_name = "FILE", env = "PARENT_PROXY_CONFIG_ARCHIVE")]
    pub(super) config_archive: Option<PathBuf>,

    /// Where enclaves take it, such as vsock:4294967295:5001.
    #[arg(long, value_name = "ENDPOINT", env = "PARENT_PROXY_CONFIG_LISTEN")]
    pub(super) config_listen: Option<Text<Endpoint>>,

    /// A way out: whatever an enclave sends to ENDPOINT goes to that host, and nowhere else; once for
    /// each.
    ///
    /// In the environment they are separated by one blank each, in the file it is a list.
    #[arg(long, value_name = "ENDPOINT=HOST:PORT", env = "PARENT_PROXY_EGRESS")]
    #[arg(value_delimiter = ' ')]
    #[serde(default)]
    pub(super) egress: Vec<Text<Route>>,

    /// Where enclaves send their logs and audit records, such as vsock:4294967295:5003.
    #[arg(long, value_name = "ENDPOINT", env = "PARENT_PROXY_LOG_LISTEN")]
    pub(super) log_listen: Option<Text<Endpoint>>,

    /// The file that these are added to. [default: standard output]
    #[arg(long, value_name = "FILE", env = "PARENT_PROXY_LOG_FILE")]
    pub(super) log_file: Option<PathBuf>,

    /// What the log on standard error is: text or json. [default: text]
    #[arg(long, value_name = "FORMAT", env = "PARENT_PROXY_LOG_FORMAT")]
    pub(super) log_format: Option<Text<Format>>,

    /// The least of what is logged: error, warn, info, debug or trace. [default: info]
    #[arg(long, value_name = "LEVEL", env = "PARENT_PROXY_LOG_LEVEL")]
    pub(super) log_level: Option<Text<Level>>,

    /// Connections relayed at a time. [default: 4096]
    ///
    /// When all are taken, the longest-silent connection of the address with the most connections makes room
    /// for a new one. A connection on which a response is awaited is never closed for that; where one is
    /// awaited on all, new clients wait in the kernel's queue.
    #[arg(long, value_name = "N", env = "PARENT_PROXY_MAX_CONNECTIONS")]
    pub(super) max_connections: Option<NonZeroUsize>,

    /// Connections of one client, by IPv4 address or IPv6 /64; 0 is no limit. [default: a quarter of
    /// --max-connections]
    ///
    /// An address at its limit makes room by its own longest-silent connection. Behind a load balancer that
    /// hides its clients' addresses all clients are one: set 0, or as many as --max-connections.
    #[arg(long, value_name = "N", env = "PARENT_PROXY_MAX_CONNECTIONS_PER_CLIENT")]
    pub(super) max_connections_per_client: Option<usize>,

    /// Threads that relay. [default: one for each processor, up to 4]
    ///
    /// Four are more than an enclave can keep busy.
    #[arg(long, value_name = "N", env = "PARENT_PROXY_THREADS")]
    pub(super) threads: Option<NonZeroUsize>,

    /// How long a connection attempt to an enclave may take, in seconds. [default: 3]
    ///
    /// The default leaves room for the kernel's own vsock timeout of 2 s, whose error says more.
    #[arg(long, value_name = "SECONDS", env = "PARENT_PROXY_CONNECT_TIMEOUT")]
    #[arg(allow_negative_numbers = true)]
    pub(super) connect_timeout: Option<Seconds<1>>,

    /// How long neither side may send a byte, in seconds. [default: 60]
    ///
    /// The default outlasts the enclave's own deadlines, which can answer the client; this one can
    /// only close.
    #[arg(long, value_name = "SECONDS", env = "PARENT_PROXY_IDLE_TIMEOUT")]
    #[arg(allow_negative_numbers = true)]
    pub(super) idle_timeout: Option<Seconds<1>>,

    /// How long a response may take once health checks have found its enclave unresponsive, in seconds.
    /// [default: 5]
    ///
    /// Then the client's connection is closed, so that its SDK tries again on another enclave.
    #[arg(long, value_name = "SECONDS", env = "PARENT_PROXY_UNRESPONSIVE_TIMEOUT")]
    #[arg(allow_negative_numbers = true)]
    pub(super) unresponsive_timeout: Option<Seconds<1>>,

    /// How long a connection may live, in seconds, busy or not. [default: 3600]
    ///
    /// The default ends what trickles, while a keep-alive client reconnects only once an hour.
    #[arg(long, value_name = "SECONDS", env = "PARENT_PROXY_TOTAL_TIMEOUT")]
    #[arg(allow_negative_numbers = true)]
    pub(super) total_timeout: Option<Seconds<1>>,

    /// How long open connections may go on after SIGTERM or SIGINT, in seconds. [default: 25]
    ///
    /// The default ends before the 30 s after which container runtimes commonly kill.
    #[arg(long, value_name = "SECONDS", env = "PARENT_PROXY_DRAIN_TIMEOUT")]
    #[arg(allow_negative_numbers = true)]
    pub(super) drain_timeout: Option<Seconds<1>>,
}

impl Settings {
    /// These, and where they are silent `lower`.
    pub(super) fn or(self, lower: Self) -> Self {
        fn list<T>(upper: Vec<T>, lower: Vec<T>) -> Vec<T> {
            if upper.is_empty() { lower } else { upper }
        }
        Self {
            config: self.config.or(lower.config),
            print_config: self.print_config || lower.print_config,
            listen: self.listen.or(lower.listen),
            upstream: list(self.upstream, lower.upstream),
            admin_listen: self.admin_listen.or(lower.admin_listen),
            health_interval: self.health_interval.or(lower.health_interval),
            health_timeout: self.health_timeout.or(lower.health_timeout),
            unhealthy_after: self.unhealthy_after.or(lower.unhealthy_after),
            proxy_protocol: self.proxy_protocol.or(lower.proxy_protocol),
            config_archive: self.config_archive.or(lower.config_archive),
            config_listen: self.config_listen.or(lower.config_listen),
            egress: list(self.egress, lower.egress),
            log_listen: self.log_listen.or(lower.log_listen),
            log_file: self.log_file.or(lower.log_file),
            log_format: self.log_format.or(lower.log_format),
            log_level: self.log_level.or(lower.log_level),
            max_connections: self.max_connections.or(lower.max_connections),
            max_connections_per_client: self
                .max_connections_per_client
                .or(lower.max_connections_per_client),
            threads: self.threads.or(lower.threads),
            connect_timeout: self.connect_timeout.or(lower.connect_timeout),
            idle_timeout: self.idle_timeout.or(lower.idle_timeout),
            unresponsive_timeout: self.unresponsive_timeout.or(lower.unresponsive_timeout),
            total_timeout: self.total_timeout.or(lower.total_timeout),
            drain_timeout: self.drain_timeout.or(lower.drain_timeout),
        }
    }
}
