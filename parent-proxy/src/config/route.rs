//! The syntax of the listener for clients and of egress routes.

use std::fmt::{self, Display};
use std::str::FromStr;

use thiserror::Error as ThisError;
use transport::{Endpoint, InvalidEndpoint};

/// The listener for clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientListener {
    /// A listener on this endpoint.
    Endpoint(Endpoint),
    /// The listening socket that systemd passes. The socket outlives this process, so no connection is
    /// refused during a restart.
    Systemd,
}

impl FromStr for ClientListener {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, InvalidEndpoint> {
        match text {
            "systemd" => Ok(Self::Systemd),
            _ => text.parse().map(Self::Endpoint),
        }
    }
}

impl Display for ClientListener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint(endpoint) => endpoint.fmt(formatter),
            Self::Systemd => formatter.write_str("systemd"),
        }
    }
}

/// An egress route from enclaves to one host: `ENDPOINT=HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The listener for enclaves.
    pub listen: Endpoint,
    /// The destination, `HOST:PORT`. A host name is resolved for each connection.
    pub host: Endpoint,
}

/// A reason why a text is not a [`Route`].
#[derive(Debug, ThisError)]
pub enum InvalidRoute {
    /// There is no `=` between listener and destination.
    #[error("write ENDPOINT=HOST:PORT, such as vsock:4294967295:8101=hsm.internal:2223")]
    Syntax,
    /// The listener or the destination is not an endpoint.
    #[error(transparent)]
    Endpoint(#[from] InvalidEndpoint),
    /// The destination is not `HOST:PORT`.
    #[error("{0} is not HOST:PORT: an egress route leads to a TCP port")]
    Host(Endpoint),
}

impl FromStr for Route {
    type Err = InvalidRoute;

    fn from_str(text: &str) -> Result<Self, InvalidRoute> {
        let (listen, host) = text.rsplit_once('=').ok_or(InvalidRoute::Syntax)?;
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
