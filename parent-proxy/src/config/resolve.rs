//! Resolves settings to a configuration: applies defaults, and checks settings that depend on each other.

use std::ffi::OsString;
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::thread::available_parallelism;
use std::time::Duration;

use clap::Parser;
use transport::logging::{Format, Level};
use transport::{Endpoint, limits};

use super::enclave::Enclave;
use super::error::ConfigError;
use super::route::Route;
use super::settings::Settings;
use super::text::{Seconds, Text};
use super::values::{Config, ConfigArchive, HealthChecks, LogReceiverConfig};

impl Config {
    /// Parses a command line whose first argument is the name of the program.
    ///
    /// # Errors
    /// - An option of the command line or of the environment is unknown or invalid.
    /// - The file that `--config` names cannot be read or parsed.
    /// - A required setting is missing.
    /// - Two upstreams have the same endpoint or the same direct listener.
    /// - A listener for enclaves is a TCP endpoint.
    pub fn from_arguments<T: Into<OsString> + Clone>(
        arguments: impl IntoIterator<Item = T>,
    ) -> Result<Self, ConfigError> {
        Self::from_settings(Settings::try_parse_from(arguments)?)
    }

    /// Reads the upstreams from a configuration file.
    ///
    /// # Errors
    /// If the file cannot be read or parsed, lists no upstream, or lists an upstream or a direct listener twice.
    pub fn read_upstreams(path: &Path) -> Result<Vec<Enclave>, ConfigError> {
        check_upstreams(read_file(path)?.upstream)
    }

    /// Resolves the settings of the command line and the environment, and of the file that they name.
    pub(super) fn from_settings(explicit: Settings) -> Result<Self, ConfigError> {
        let path = explicit.config.clone();
        let has_explicit_upstreams = !explicit.upstream.is_empty();
        let settings = match &path {
            Some(path) => explicit.or(read_file(path)?),
            None => explicit,
        };
        let listen = settings.listen.clone().ok_or(ConfigError::missing("listen"))?.0;
        let (config_archive, log_receiver, health_checks) =
            (config_archive(&settings)?, log_receiver(&settings)?, health_checks(&settings));
        let route = |route: Text<Route>| {
            let Route { listen, host } = route.0;
            Ok(Route { listen: require_non_tcp("egress", listen)?, host })
        };
        let max_connections = settings.max_connections.unwrap_or(default_max_connections());
        Ok(Self {
            listen,
            upstreams: check_upstreams(settings.upstream)?,
            admin_listen: settings.admin_listen.map(|text| text.0),
            health_checks,
            proxy_protocol: settings.proxy_protocol.unwrap_or_default(),
            config_archive,
            egress: settings.egress.into_iter().map(route).collect::<Result<_, ConfigError>>()?,
            log_receiver,
            log_format: settings.log_format.map_or_else(Format::default, |text| text.0),
            log_level: settings.log_level.map_or_else(Level::default, |text| text.0),
            max_connections,
            max_connections_per_client: NonZeroUsize::new(
                settings
                    .max_connections_per_client
                    .unwrap_or_else(|| default_per_client(max_connections)),
            ),
            threads: settings.threads.unwrap_or_else(default_threads),
            connect_timeout: seconds(settings.connect_timeout, 3),
            idle_timeout: seconds(settings.idle_timeout, 60),
            unresponsive_timeout: seconds(settings.unresponsive_timeout, 5),
            total_timeout: seconds(settings.total_timeout, 3600),
            drain_timeout: seconds(settings.drain_timeout, 25),
            upstreams_file: path.filter(|_| !has_explicit_upstreams),
        })
    }
}

fn seconds(given: Option<Seconds<1>>, default: u64) -> Duration {
    given.map_or(Duration::from_secs(default), Seconds::duration)
}

fn health_checks(settings: &Settings) -> HealthChecks {
    let interval = settings.health_interval.map_or(DEFAULT_HEALTH_INTERVAL, Seconds::duration);
    HealthChecks {
        interval: Some(interval).filter(|interval| !interval.is_zero()),
        timeout: seconds(settings.health_timeout, 1),
        unhealthy_after: settings.unhealthy_after.unwrap_or(DEFAULT_UNHEALTHY_AFTER),
    }
}

fn config_archive(settings: &Settings) -> Result<Option<ConfigArchive>, ConfigError> {
    match (settings.config_archive.clone(), settings.config_listen.clone()) {
        (None, None) => Ok(None),
        (Some(path), Some(listen)) => {
            Ok(Some(ConfigArchive { path, listen: require_non_tcp("config_listen", listen.0)? }))
        }
        (Some(_), None) => Err(ConfigError::missing("config_listen")),
        (None, Some(_)) => Err(ConfigError::missing("config_archive")),
    }
}

fn log_receiver(settings: &Settings) -> Result<Option<LogReceiverConfig>, ConfigError> {
    match (settings.log_listen.clone(), settings.log_file.clone()) {
        (None, None) => Ok(None),
        (Some(listen), file) => {
            Ok(Some(LogReceiverConfig { listen: require_non_tcp("log_listen", listen.0)?, file }))
        }
        (None, Some(_)) => Err(ConfigError::missing("log_listen")),
    }
}

/// Default time between two health checks of an enclave, as in HAProxy.
const DEFAULT_HEALTH_INTERVAL: Duration = Duration::from_secs(2);

const DEFAULT_UNHEALTHY_AFTER: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);

fn default_max_connections() -> NonZeroUsize {
    NonZeroUsize::new(limits::MAX_CONNECTIONS).unwrap_or(NonZeroUsize::MIN)
}

/// Returns the default connection limit of one client address: a quarter, so that one address cannot fill the
/// relay.
fn default_per_client(max_connections: NonZeroUsize) -> usize {
    max_connections.get().div_ceil(4)
}

/// Returns the default number of relay threads: one per processor, up to four.
fn default_threads() -> NonZeroUsize {
    const MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(3);
    available_parallelism().map_or(NonZeroUsize::MIN, |processors| processors.min(MAX))
}

fn read_file(path: &Path) -> Result<Settings, ConfigError> {
    let text = fs::read_to_string(path)
        .map_err(|error| ConfigError::Read { path: path.to_owned(), error })?;
    toml::from_str(&text).map_err(|error| ConfigError::parse(path, &text, &error))
}

/// Rejects an empty list, and upstreams or direct listeners that are listed twice.
fn check_upstreams(listed: Vec<Text<Enclave>>) -> Result<Vec<Enclave>, ConfigError> {
    let mut upstreams: Vec<Enclave> = Vec::with_capacity(listed.len());
    for Text(enclave) in listed {
        if upstreams.iter().any(|other| other.endpoint == enclave.endpoint) {
            return Err(ConfigError::DuplicateUpstream(enclave.endpoint));
        }
        if let Some(direct) = &enclave.direct
            && upstreams.iter().any(|other| other.direct.as_ref() == Some(direct))
        {
            return Err(ConfigError::DuplicateDirectListener(direct.clone()));
        }
        upstreams.push(enclave);
    }
    if upstreams.is_empty() { Err(ConfigError::missing("upstream")) } else { Ok(upstreams) }
}

/// Rejects TCP endpoints, which hosts other than the enclaves can reach.
fn require_non_tcp(key: &'static str, listen: Endpoint) -> Result<Endpoint, ConfigError> {
    match listen {
        Endpoint::Tcp(_) => Err(ConfigError::TcpListener { key }),
        endpoint => Ok(endpoint),
    }
}
