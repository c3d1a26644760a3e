//! The values of a configuration.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use transport::Endpoint;
use transport::logging::{Format, Level};

use super::enclave::Enclave;
use super::route::{ClientListener, Route};

/// The configuration in effect.
#[derive(Clone, Debug)]
pub struct Config {
    /// The listener for clients.
    pub listen: ClientListener,
    /// The enclaves, at least one.
    pub upstreams: Vec<Enclave>,
    /// The listener for health checks and metrics of the relay itself.
    pub admin_listen: Option<Endpoint>,
    /// The health checks of enclaves.
    pub health_checks: HealthChecks,
    /// Whether connections to enclaves begin with a PROXY header, which names the client.
    pub proxy_protocol: bool,
    /// The configuration archive that enclaves read when they boot.
    pub config_archive: Option<ConfigArchive>,
    /// The egress routes.
    pub egress: Vec<Route>,
    /// The receiver of the enclaves' log lines.
    pub log_receiver: Option<LogReceiverConfig>,
    /// Format of the relay's own log.
    pub log_format: Format,
    /// Minimum level of the relay's own log.
    pub log_level: Level,
    /// Maximum number of simultaneous connections.
    pub max_connections: NonZeroUsize,
    /// Maximum number of simultaneous connections of one client address; `None` is no limit.
    pub max_connections_per_client: Option<NonZeroUsize>,
    /// Number of relay threads.
    pub threads: NonZeroUsize,
    /// Time limit of a connection attempt to one enclave.
    pub connect_timeout: Duration,
    /// Time limit without a byte from either side.
    pub idle_timeout: Duration,
    /// Time limit of a response once health checks have found its enclave unresponsive.
    pub unresponsive_timeout: Duration,
    /// Time limit of a connection.
    pub total_timeout: Duration,
    /// Time limit of connections at shutdown.
    pub drain_timeout: Duration,
    /// Where the enclaves can be read anew: the file, if it and nothing above it says which they are.
    pub upstreams_file: Option<PathBuf>,
}

/// The health checks of enclaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthChecks {
    /// Time between two checks of an enclave; `None` is no checks.
    pub interval: Option<Duration>,
    /// Time limit of a check.
    pub timeout: Duration,
    /// Number of checks that fail in a row before an enclave counts as unhealthy.
    pub unhealthy_after: NonZeroUsize,
}

/// A file, and where enclaves take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigArchive {
    /// An archive as `attested-recipient config-archive` makes it.
    pub path: PathBuf,
    /// On vsock or a Unix socket.
    pub listen: Endpoint,
}

/// Where enclaves send their lines, and where these go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogReceiverConfig {
    /// On vsock or a Unix socket.
    pub listen: Endpoint,
    /// Standard output without one.
    pub file: Option<PathBuf>,
}
