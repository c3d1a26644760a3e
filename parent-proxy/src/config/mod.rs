//! What the relay is to do, from the command line, the environment and a file.

mod error;
mod settings;
#[cfg(test)]
mod tests;
mod text;

use std::ffi::OsString;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;
use std::time::Duration;

use clap::Parser;
use transport::logging::{Format, Level};
use transport::{Endpoint, limits};

pub use self::error::ConfigError;
use self::settings::Settings;
pub use self::text::{Archive, Enclave, InvalidEnclave, InvalidRoute, Listen, Log, Route};
use self::text::{Seconds, Text};

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

/// What a command line asks for.
#[derive(Clone, Debug)]
pub enum Command {
    /// To relay.
    Relay(Box<Config>),
    /// To be shown what is in effect: a TOML.
    Print(String),
}

impl Command {
    /// That of this process: its command line, its environment, its file.
    ///
    /// # Errors
    /// If one of them says what is not known, or all of them too little.
    pub fn from_process() -> Result<Self, ConfigError> {
        // It ends the process where it is at fault, or asks for help.
        Self::of(Settings::parse())
    }

    fn of(above: Settings) -> Result<Self, ConfigError> {
        let print = above.print_config;
        let config = Config::of(above)?;
        if !print {
            return Ok(Self::Relay(Box::new(config)));
        }
        Ok(Self::Print(toml::to_string(&config.settings())?))
    }
}

impl Config {
    /// What such a command line means, its program's name first.
    ///
    /// # Errors
    /// If it says what is not known, or too little.
    pub fn from_arguments<T: Into<OsString> + Clone>(
        arguments: impl IntoIterator<Item = T>,
    ) -> Result<Self, ConfigError> {
        Self::of(Settings::try_parse_from(arguments)?)
    }

    /// The enclaves that the file lists now.
    ///
    /// # Errors
    /// If it cannot be read, says what is not known, or lists none.
    pub fn read_upstreams(path: &Path) -> Result<Vec<Enclave>, ConfigError> {
        upstreams(read(path)?.upstream)
    }

    fn of(above: Settings) -> Result<Self, ConfigError> {
        let path = above.config.clone();
        let listed_above = !above.upstream.is_empty();
        let settings = match &path {
            Some(path) => above.over(read(path)?),
            None => above,
        };
        let listen = settings.listen.ok_or(ConfigError::missing("listen"))?.0;
        let archive = match (settings.config_archive, settings.config_listen) {
            (None, None) => None,
            (Some(path), Some(listen)) => {
                Some(Archive { path, listen: private("config_listen", listen.0)? })
            }
            (Some(_), None) => return Err(ConfigError::missing("config_listen")),
            (None, Some(_)) => return Err(ConfigError::missing("config_archive")),
        };
        let log = match (settings.log_listen, settings.log_file) {
            (None, None) => None,
            (Some(listen), file) => Some(Log { listen: private("log_listen", listen.0)?, file }),
            (None, Some(_)) => return Err(ConfigError::missing("log_listen")),
        };
        let route = |route: Text<Route>| {
            let Route { listen, host } = route.0;
            Ok(Route { listen: private("egress", listen)?, host })
        };
        let seconds = |given: Option<Seconds<1>>, default| given.map_or(default, Seconds::duration);
        let interval = settings.health_interval.map_or(INTERVAL, Seconds::duration);
        let max_connections = settings.max_connections.unwrap_or(max_connections());
        Ok(Self {
            listen,
            upstreams: upstreams(settings.upstream)?,
            admin_listen: settings.admin_listen.map(|text| text.0),
            checks: Checks {
                interval: Some(interval).filter(|interval| !interval.is_zero()),
                timeout: seconds(settings.health_timeout, Duration::from_secs(1)),
                unhealthy_after: settings.unhealthy_after.unwrap_or(UNHEALTHY_AFTER),
            },
            proxy_protocol: settings.proxy_protocol.unwrap_or_default(),
            archive,
            egress: settings.egress.into_iter().map(route).collect::<Result<_, ConfigError>>()?,
            log,
            log_format: settings.log_format.map_or_else(Format::default, |text| text.0),
            log_level: settings.log_level.map_or_else(Level::default, |text| text.0),
            max_connections,
            max_connections_per_client: NonZeroUsize::new(
                settings.max_connections_per_client.unwrap_or_else(|| a_quarter(max_connections)),
            ),
            threads: settings.threads.unwrap_or_else(threads),
            connect_timeout: seconds(settings.connect_timeout, Duration::from_secs(3)),
            idle_timeout: seconds(settings.idle_timeout, Duration::from_secs(60)),
            unresponsive_timeout: seconds(settings.unresponsive_timeout, Duration::from_secs(5)),
            total_timeout: seconds(settings.total_timeout, Duration::from_secs(3600)),
            drain_timeout: seconds(settings.drain_timeout, Duration::from_secs(25)),
            source: path.filter(|_| !listed_above),
        })
    }

    /// The same as one layer that leaves nothing open.
    fn settings(&self) -> Settings {
        let Checks { interval, timeout, unhealthy_after } = self.checks;
        let text = |endpoint: &Endpoint| Text(endpoint.clone());
        let cap = self.max_connections_per_client.map_or(0, NonZeroUsize::get);
        Settings {
            config: None,
            print_config: false,
            listen: Some(Text(self.listen.clone())),
            upstream: self.upstreams.iter().cloned().map(Text).collect(),
            admin_listen: self.admin_listen.as_ref().map(text),
            health_interval: Some(Seconds::of(interval.unwrap_or_default())),
            health_timeout: Some(Seconds::of(timeout)),
            unhealthy_after: Some(unhealthy_after),
            proxy_protocol: Some(self.proxy_protocol),
            config_archive: self.archive.as_ref().map(|archive| archive.path.clone()),
            config_listen: self.archive.as_ref().map(|archive| text(&archive.listen)),
            egress: self.egress.iter().cloned().map(Text).collect(),
            log_listen: self.log.as_ref().map(|log| text(&log.listen)),
            log_file: self.log.as_ref().and_then(|log| log.file.clone()),
            log_format: Some(Text(self.log_format)),
            log_level: Some(Text(self.log_level)),
            max_connections: Some(self.max_connections),
            max_connections_per_client: Some(cap),
            threads: Some(self.threads),
            connect_timeout: Some(Seconds::of(self.connect_timeout)),
            idle_timeout: Some(Seconds::of(self.idle_timeout)),
            unresponsive_timeout: Some(Seconds::of(self.unresponsive_timeout)),
            total_timeout: Some(Seconds::of(self.total_timeout)),
            drain_timeout: Some(Seconds::of(self.drain_timeout)),
        }
    }
}

/// How often an enclave is asked by default: as often as HAProxy asks.
const INTERVAL: Duration = Duration::from_secs(2);

const UNHEALTHY_AFTER: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);

fn max_connections() -> NonZeroUsize {
    NonZeroUsize::new(limits::MAX_CONNECTIONS).unwrap_or(NonZeroUsize::MIN)
}

/// Returns the default limit of one client address, so that no address alone fills the relay.
fn a_quarter(max_connections: NonZeroUsize) -> usize {
    max_connections.get().div_ceil(4)
}

fn threads() -> NonZeroUsize {
    const MOST: NonZeroUsize = NonZeroUsize::MIN.saturating_add(3);
    available_parallelism().map_or(NonZeroUsize::MIN, |processors| processors.min(MOST))
}

fn read(path: &Path) -> Result<Settings, ConfigError> {
    let text = fs::read_to_string(path)
        .map_err(|error| ConfigError::Read { path: path.to_owned(), error })?;
    toml::from_str(&text).map_err(|error| ConfigError::parse(path, &text, &error))
}

fn upstreams(listed: Vec<Text<Enclave>>) -> Result<Vec<Enclave>, ConfigError> {
    let mut upstreams: Vec<Enclave> = Vec::with_capacity(listed.len());
    for Text(enclave) in listed {
        if upstreams.iter().any(|other| other.endpoint == enclave.endpoint) {
            return Err(ConfigError::Twice(enclave.endpoint));
        }
        if let Some(direct) = &enclave.direct
            && upstreams.iter().any(|other| other.direct.as_ref() == Some(direct))
        {
            return Err(ConfigError::DirectTwice(direct.clone()));
        }
        upstreams.push(enclave);
    }
    if upstreams.is_empty() { Err(ConfigError::missing("upstream")) } else { Ok(upstreams) }
}

/// Where enclaves alone connect, which no TCP port is.
fn private(key: &'static str, listen: Endpoint) -> Result<Endpoint, ConfigError> {
    match listen {
        Endpoint::Tcp(_) => Err(ConfigError::Public { key }),
        private => Ok(private),
    }
}
