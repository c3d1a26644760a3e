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
    /// The upstream enclaves, at least one.
    pub upstreams: Vec<Enclave>,
    /// The admin endpoint of the relay.
    pub admin_listen: Option<Endpoint>,
    /// The health checks of enclaves.
    pub health_checks: HealthChecks,
    /// True if connections to enclaves start with a PROXY protocol header that contains the client address.
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
    /// Maximum number of open connections.
    pub max_connections: NonZeroUsize,
    /// Maximum number of open connections of one client address; `None` is no limit.
    pub max_connections_per_client: Option<NonZeroUsize>,
    /// Number of relay threads.
    pub threads: NonZeroUsize,
    /// Time limit of a connection attempt to one enclave.
    pub connect_timeout: Duration,
    /// Time limit without a byte from either side.
    pub idle_timeout: Duration,
    /// Time limit of a response once health checks have found its enclave unresponsive.
    pub unresponsive_timeout: Duration,
    /// Maximum lifetime of a connection.
    pub total_timeout: Duration,
    /// Time limit of open connections during shutdown.
    pub drain_timeout: Duration,
    /// The configuration file from which SIGHUP reloads the upstreams. `None` if the command line or the
    /// environment lists the upstreams.
    pub upstreams_file: Option<PathBuf>,
}

/// The health checks of enclaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthChecks {
    /// Time between two checks of an enclave; `None` disables the checks.
    pub interval: Option<Duration>,
    /// Time limit of a check.
    pub timeout: Duration,
    /// Number of failed checks in a row after which an enclave is ejected.
    pub unhealthy_after: NonZeroUsize,
}

/// The configuration archive and its listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigArchive {
    /// Path of an archive that `attested-recipient config-archive` created.
    pub path: PathBuf,
    /// Listener for enclaves, on vsock or a Unix socket.
    pub listen: Endpoint,
}

/// The log receiver's listener and output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogReceiverConfig {
    /// Listener for enclaves, on vsock or a Unix socket.
    pub listen: Endpoint,
    /// File to which lines are appended; `None` is standard output.
    pub file: Option<PathBuf>,
}
