//! The values of a configuration.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use transport::Endpoint;
use transport::logging::{Format, Level};

use super::enclave::Enclave;
use super::route::{Listen, Route};

/// What is in effect.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where clients connect.
    pub listen: Listen,
    /// The enclaves, at least one.
    pub upstreams: Vec<Enclave>,
    /// Where the relay itself is watched.
    pub admin_listen: Option<Endpoint>,
    /// How enclaves are watched.
    pub checks: Checks,
    /// Whether enclaves are told who a client is.
    pub proxy_protocol: bool,
    /// What enclaves take when they boot.
    pub archive: Option<Archive>,
    /// The ways out.
    pub egress: Vec<Route>,
    /// Where the enclaves' lines go.
    pub log: Option<Log>,
    /// What the relay's own log is.
    pub log_format: Format,
    /// The least that it says.
    pub log_level: Level,
    /// Connections at a time.
    pub max_connections: NonZeroUsize,
    /// Connections of one client address at a time, if they are limited.
    pub max_connections_per_client: Option<NonZeroUsize>,
    /// Threads that relay.
    pub threads: NonZeroUsize,
    /// How long a connection attempt to one enclave may take.
    pub connect_timeout: Duration,
    /// How long neither side may send a byte.
    pub idle_timeout: Duration,
    /// How long a response may take, once health checks have found its enclave unresponsive.
    pub unresponsive_timeout: Duration,
    /// How long a connection may live.
    pub total_timeout: Duration,
    /// How long connections may go on at the end.
    pub drain_timeout: Duration,
    /// Where the enclaves can be read anew: the file, if it and nothing above it says which they are.
    pub source: Option<PathBuf>,
}

/// How enclaves are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checks {
    /// How often each is asked; never without it.
    pub interval: Option<Duration>,
    /// How long it may take to answer.
    pub timeout: Duration,
    /// How many answers in a row may fail.
    pub unhealthy_after: NonZeroUsize,
}

/// A file, and where enclaves take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// An archive as `attested-recipient config-archive` makes it.
    pub path: PathBuf,
    /// On vsock or a Unix socket.
    pub listen: Endpoint,
}

/// Where enclaves send their lines, and where these go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// On vsock or a Unix socket.
    pub listen: Endpoint,
    /// Standard output without one.
    pub file: Option<PathBuf>,
}
