//! Values as they are written: the same text on the command line, in the environment and in the file.

use std::fmt::{self, Display};
use std::mem;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};
use thiserror::Error as ThisError;
use transport::{Endpoint, InvalidEndpoint};

/// The longest time that can be asked for: a year, in seconds.
const MAX_SECONDS: u64 = 365 * 24 * 60 * 60;

/// What is read from text, and shown as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text<T>(pub(super) T);

impl<T: FromStr> FromStr for Text<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        text.parse().map(Self)
    }
}

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(D::Error::custom)
    }
}

/// A time in whole seconds, at least `LEAST`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seconds<const LEAST: u64>(u64);

impl<const LEAST: u64> Seconds<LEAST> {
    pub(super) fn of(duration: Duration) -> Self {
        Self(duration.as_secs())
    }

    pub(super) fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }

    fn check(seconds: u64) -> Result<Self, String> {
        Some(Self(seconds))
            .filter(|_| (LEAST..=MAX_SECONDS).contains(&seconds))
            .ok_or_else(Self::rule)
    }

    fn rule() -> String {
        format!("write whole seconds, from {LEAST} to {MAX_SECONDS}")
    }
}

impl<const LEAST: u64> FromStr for Seconds<LEAST> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map_or_else(|_| Err(Self::rule()), Self::check)
    }
}

impl<const LEAST: u64> Serialize for Seconds<LEAST> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de, const LEAST: u64> Deserialize<'de> for Seconds<LEAST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = i64::deserialize(deserializer)?;
        u64::try_from(seconds)
            .map_or_else(|_| Err(Self::rule()), Self::check)
            .map_err(D::Error::custom)
    }
}

/// Where clients connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// There.
    Endpoint(Endpoint),
    /// The one socket that systemd has listened on, and passes: it outlives this process, so that a
    /// restart refuses nobody.
    Systemd,
}

impl FromStr for Listen {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, InvalidEndpoint> {
        match text {
            "systemd" => Ok(Self::Systemd),
            _ => text.parse().map(Self::Endpoint),
        }
    }
}

impl Display for Listen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint(endpoint) => endpoint.fmt(formatter),
            Self::Systemd => formatter.write_str("systemd"),
        }
    }
}

/// An enclave: `ENDPOINT[,admin=ENDPOINT][,direct=ENDPOINT][,standby]`, its options in any order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enclave {
    /// Where it takes clients.
    pub endpoint: Endpoint,
    /// Where it says whether it is ready, and shows its metrics. Without one it is asked among its
    /// clients, which shows nothing where these have to speak TLS.
    pub admin: Option<Endpoint>,
    /// An address of the relay whose connections go to this enclave alone, on TCP or a Unix socket.
    pub direct: Option<Endpoint>,
    /// Whether it gets no clients, but all else that an enclave gets.
    pub standby: bool,
}

const ADMIN: &str = "admin";
const DIRECT: &str = "direct";
const STANDBY: &str = "standby";

/// A text that is no [`Enclave`].
#[derive(Debug, ThisError)]
pub enum InvalidEnclave {
    /// One of its endpoints is none.
    #[error(transparent)]
    Endpoint(#[from] InvalidEndpoint),
    /// An option that is none.
    #[error(
        "`{0}` is no option of an upstream: write ENDPOINT and behind it, each with a comma before it, \
         admin=ENDPOINT, direct=ENDPOINT or standby, such as vsock:16:5000,admin=vsock:16:5002"
    )]
    Option(String),
    /// An option that is there again.
    #[error("`{0}` is given twice: give each option of an upstream once")]
    Twice(&'static str),
    /// A direct listener on vsock.
    #[error("direct={0}: a direct listener is for clients: write HOST:PORT or unix:PATH")]
    Direct(Endpoint),
}

impl Enclave {
    /// Returns the enclave at `endpoint`, without any option.
    #[must_use]
    pub fn at(endpoint: Endpoint) -> Self {
        Self { endpoint, admin: None, direct: None, standby: false }
    }
}

impl FromStr for Enclave {
    type Err = InvalidEnclave;

    fn from_str(text: &str) -> Result<Self, InvalidEnclave> {
        let (endpoint, options) = match text.split_once(',') {
            Some((endpoint, options)) => (endpoint, Some(options)),
            None => (text, None),
        };
        let mut enclave = Self::at(endpoint.parse()?);
        for option in options.into_iter().flat_map(|options| options.split(',')) {
            let is_first = match option.split_once('=') {
                Some((ADMIN, admin)) => enclave.admin.replace(admin.parse()?).is_none(),
                Some((DIRECT, direct)) => enclave.direct.replace(client_side(direct)?).is_none(),
                None if option == STANDBY => !mem::replace(&mut enclave.standby, true),
                _ => return Err(InvalidEnclave::Option(option.to_owned())),
            };
            if !is_first {
                let names = [ADMIN, DIRECT, STANDBY];
                let name = names.into_iter().find(|name| option.starts_with(name));
                return Err(InvalidEnclave::Twice(name.unwrap_or_default()));
            }
        }
        Ok(enclave)
    }
}

/// Parses an endpoint on which clients can connect.
fn client_side(text: &str) -> Result<Endpoint, InvalidEnclave> {
    match text.parse()? {
        endpoint @ (Endpoint::Tcp(_) | Endpoint::Unix(_)) => Ok(endpoint),
        other => Err(InvalidEnclave::Direct(other)),
    }
}

impl Display for Enclave {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.endpoint.fmt(formatter)?;
        if let Some(admin) = &self.admin {
            write!(formatter, ",{ADMIN}={admin}")?;
        }
        if let Some(direct) = &self.direct {
            write!(formatter, ",{DIRECT}={direct}")?;
        }
        match self.standby {
            true => write!(formatter, ",{STANDBY}"),
            false => Ok(()),
        }
    }
}

/// A way out for enclaves, to one host: `ENDPOINT=HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where the enclaves connect.
    pub listen: Endpoint,
    /// Where their connections go: `HOST:PORT`, a name being resolved for each.
    pub host: Endpoint,
}

/// A text that is no [`Route`].
#[derive(Debug, ThisError)]
pub enum InvalidRoute {
    /// It has not two sides.
    #[error("write ENDPOINT=HOST:PORT, such as vsock:4294967295:8101=hsm.internal:2223")]
    Form,
    /// One of them is no endpoint.
    #[error(transparent)]
    Endpoint(#[from] InvalidEndpoint),
    /// It leads elsewhere than to a host.
    #[error("{0} is no HOST:PORT, and a way out leads to nothing else")]
    Host(Endpoint),
}

impl FromStr for Route {
    type Err = InvalidRoute;

    fn from_str(text: &str) -> Result<Self, InvalidRoute> {
        let (listen, host) = text.rsplit_once('=').ok_or(InvalidRoute::Form)?;
        let (listen, host) = (listen.parse()?, host.parse()?);
        match host {
            Endpoint::Tcp(_) => Ok(Self { listen, host }),
            other => Err(InvalidRoute::Host(other)),
        }
    }
}

impl Display for Route {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Endpoint::Tcp(host) => write!(formatter, "{}={host}", self.listen),
            other => write!(formatter, "{}={other}", self.listen),
        }
    }
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
