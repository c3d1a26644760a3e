//! All settings. The command line overrides the environment, and the environment overrides the file.

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
/// ENDPOINT is vsock:CID:PORT, vsock-mux:PATH:PORT, unix:PATH, tcp:HOST:PORT or HOST:PORT. vsock-mux is the vsock
/// of a guest that a virtual machine monitor serves on the Unix socket PATH, as Firecracker and
/// vhost-device-vsock do.
///
/// Each option can also be set by its environment variable, or by a key in the file that --config names. The
/// key is the name of the option with underscores. The command line overrides the environment, and the
/// environment overrides the file.
#[derive(Clone, Debug, Default, Parser, Deserialize, Serialize)]
#[command(name = "parent-proxy", version)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    /// Configuration file, in TOML.
    #[arg(long, value_name = "FILE", env = "PARENT_PROXY_CONFIG", hide_env_values = true)]
    #[serde(skip)]
    pub(super) config: Option<PathBuf>,

    /// Print the configuration in effect as a TOML file, and exit.
    #[arg(long)]
    #[serde(skip)]
    pub(super) print_config: bool,

    /// Endpoint for clients; `systemd` is the socket that systemd passes.
    #[arg(long, value_name = "ENDPOINT", env = "PARENT_PROXY_LISTEN")]
    pub(super) listen: Option<Text<ClientListener>>,

    /// Endpoint of an enclave, such as vsock:16:5000; repeat the option for each enclave.
    ///
    /// Options follow the endpoint in any order, each after a comma. `admin=ENDPOINT` is the admin endpoint of
    /// the enclave, for health checks and metrics. `standby` is for an enclave that gets health checks and its
    /// configuration, but no clients. `direct=ENDPOINT` (HOST:PORT or unix:PATH) is a listener of the relay
    /// whose connections go to this enclave only, even while it is standby or ejected.
    ///
    /// In the environment variable, separate upstreams by one space. In the file, write a list.
    #[arg(long, value_name = "ENDPOINT[,OPTION]...", env = "PARENT_PROXY_UPSTREAM")]
    #[arg(value_delimiter = ' ')]
    #[serde(default)]
    pub(super) upstream: Vec<Text<Enclave>>,

    /// Endpoint that serves /healthz, /readyz and /metrics over plain HTTP.
    #[arg(long, value_name = "ENDPOINT", env = "PARENT_PROXY_ADMIN_LISTEN")]
    pub(super) admin_listen: Option<Text<Endpoint>>,

    /// Time between two health checks of an enclave, in seconds; 0 disables them. [default: 2]
    #[arg(long, value_name = "SECONDS", env = "PARENT_PROXY_HEALTH_INTERVAL")]
    #[arg(allow_negative_numbers = true)]
    pub(super) health_interval: Option<Seconds<0>>,

    /// Time limit of a health check, in seconds. [default: 1]
    #[arg(long, value_name = "SECONDS", env = "PARENT_PROXY_HEALTH_TIMEOUT")]
    #[arg(allow_negative_numbers = true)]
    pub(super) health_timeout: Option<Seconds<1>>,

    /// Failed health checks in a row that eject an enclave, so that it gets no more clients. [default: 2]
    ///
    /// The first failed check ejects an enclave that reports that it is not ready, or that refuses the
    /// connection.
    #[arg(long, value_name = "N", env = "PARENT_PROXY_UNHEALTHY_AFTER")]
    pub(super) unhealthy_after: Option<NonZeroUsize>,

    /// Send the address of each client to the enclave, in a PROXY protocol v2 header.
    ///
    /// The enclave must expect the header: set `proxy_protocol` in its configuration too.
    #[arg(long, value_name = "BOOL", env = "PARENT_PROXY_PROXY_PROTOCOL")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) proxy_protocol: Option<bool>,

    /// Configuration archive that enclaves read when they boot.
    ///
    /// `attested-recipient config-archive` creates it. It contains secrets.
    #[arg(long, value_name = "FILE", env = "PARENT_PROXY_CONFIG_ARCHIVE")]
    pub(super) config_archive: Option<PathBuf>,

    /// Endpoint on which enclaves read the configuration archive, such as vsock:4294967295:5001.
    #[arg(long, value_name = "ENDPOINT", env = "PARENT_PROXY_CONFIG_LISTEN")]
    pub(super) config_listen: Option<Text<Endpoint>>,

    /// Egress route: connections of enclaves to ENDPOINT go to HOST:PORT only; repeat the option for each
    /// route.
    ///
    /// In the environment variable, separate routes by one space. In the file, write a list.
    #[arg(long, value_name = "ENDPOINT=HOST:PORT", env = "PARENT_PROXY_EGRESS")]
    #[arg(value_delimiter = ' ')]
    #[serde(default)]
    pub(super) egress: Vec<Text<Route>>,

    /// Endpoint that receives the log lines and audit records of enclaves, such as vsock:4294967295:5003.
    #[arg(long, value_name = "ENDPOINT", env = "PARENT_PROXY_LOG_LISTEN")]
    pub(super) log_listen: Option<Text<Endpoint>>,

    /// File to which the received lines are appended. [default: standard output]
    #[arg(long, value_name = "FILE", env = "PARENT_PROXY_LOG_FILE")]
    pub(super) log_file: Option<PathBuf>,

    /// Format of the relay's own log on standard error: text or json. [default: text]
    #[arg(long, value_name = "FORMAT", env = "PARENT_PROXY_LOG_FORMAT")]
    pub(super) log_format: Option<Text<Format>>,

    /// Minimum level of the relay's own log: error, warn, info, debug or trace. [default: info]
    #[arg(long, value_name = "LEVEL", env = "PARENT_PROXY_LOG_LEVEL")]
    pub(super) log_level: Option<Text<Level>>,

    /// Maximum number of open client connections. [default: 4096]
    ///
    /// At the limit, a new connection evicts the longest-idle connection of the address with the most
    /// connections. A connection that awaits a response is never evicted. If all connections await a
    /// response, new clients wait in the kernel's queue.
    #[arg(long, value_name = "N", env = "PARENT_PROXY_MAX_CONNECTIONS")]
    pub(super) max_connections: Option<NonZeroUsize>,

    /// Maximum number of connections of one client address; 0 is no limit. [default: a quarter of
    /// --max-connections]
    ///
    /// An address is an IPv4 address or an IPv6 /64. At the limit, a new connection evicts the longest-idle
    /// connection of the same address. Behind a load balancer that hides client addresses, all clients share
    /// one address: set 0, or the value of --max-connections.
    #[arg(long, value_name = "N", env = "PARENT_PROXY_MAX_CONNECTIONS_PER_CLIENT")]
    pub(super) max_connections_per_client: Option<usize>,

    /// Number of relay threads. [default: one per processor, up to 4]
    ///
    /// Four threads relay more than an enclave can process.
    #[arg(long, value_name = "N", env = "PARENT_PROXY_THREADS")]
    pub(super) threads: Option<NonZeroUsize>,

    /// Time limit of a connection attempt to an enclave, in seconds. [default: 3]
    ///
    /// The default exceeds the kernel's vsock timeout of 2 s, whose error is more specific.
    #[arg(long, value_name = "SECONDS", env = "PARENT_PROXY_CONNECT_TIMEOUT")]
    #[arg(allow_negative_numbers = true)]
    pub(super) connect_timeout: Option<Seconds<1>>,

    /// Time without a byte in either direction after which a connection is closed, in seconds. [default: 60]
    ///
    /// The default exceeds the timeouts of the enclave. When an enclave's timeout expires, the enclave can
    /// send an error response. The relay can only close the connection.
    #[arg(long, value_name = "SECONDS", env = "PARENT_PROXY_IDLE_TIMEOUT")]
    #[arg(allow_negative_numbers = true)]
    pub(super) idle_timeout: Option<Seconds<1>>,

    /// Time limit of a response once its enclave is unresponsive to health checks, in seconds. [default: 5]
    ///
    /// The relay then closes the client connection, so that the SDK of the client retries on another enclave.
    #[arg(long, value_name = "SECONDS", env = "PARENT_PROXY_UNRESPONSIVE_TIMEOUT")]
    #[arg(allow_negative_numbers = true)]
    pub(super) unresponsive_timeout: Option<Seconds<1>>,

    /// Maximum lifetime of a connection, in seconds. [default: 3600]
    ///
    /// The limit ends connections that transfer single bytes forever. With the default, a keep-alive client
    /// reconnects once an hour.
    #[arg(long, value_name = "SECONDS", env = "PARENT_PROXY_TOTAL_TIMEOUT")]
    #[arg(allow_negative_numbers = true)]
    pub(super) total_timeout: Option<Seconds<1>>,

    /// Time limit of open connections after SIGTERM or SIGINT, in seconds. [default: 25]
    ///
    /// The default is below the 30 s after which container runtimes commonly kill a process.
    #[arg(long, value_name = "SECONDS", env = "PARENT_PROXY_DRAIN_TIMEOUT")]
    #[arg(allow_negative_numbers = true)]
    pub(super) drain_timeout: Option<Seconds<1>>,
}

impl Settings {
    /// Returns these settings, with the values of `lower` for those that are not set.
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
