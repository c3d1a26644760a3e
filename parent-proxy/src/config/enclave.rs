//! The syntax of an upstream: an endpoint and its options.

use std::fmt::{self, Display};
use std::mem;
use std::str::FromStr;

use thiserror::Error as ThisError;
use transport::{Endpoint, InvalidEndpoint};

/// An upstream enclave: `ENDPOINT[,admin=ENDPOINT][,direct=ENDPOINT][,standby]`, with the options in any
/// order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enclave {
    /// The enclave's listener for clients.
    pub endpoint: Endpoint,
    /// The enclave's admin endpoint, for health checks and metrics. Without an admin endpoint, both requests
    /// go to the listener for clients. If that listener serves TLS, the requests fail, and a health check
    /// shows only that the listener accepts connections.
    pub admin: Option<Endpoint>,
    /// A listener of the relay, on TCP or a Unix socket, whose connections go to this enclave only.
    pub direct: Option<Endpoint>,
    /// True if the enclave is standby: it gets health checks and its configuration, but no clients.
    pub standby: bool,
}

const ADMIN: &str = "admin";
const DIRECT: &str = "direct";
const STANDBY: &str = "standby";

/// A reason why a text is not an [`Enclave`].
#[derive(Debug, ThisError)]
pub enum InvalidEnclave {
    /// An endpoint is invalid.
    #[error(transparent)]
    Endpoint(#[from] InvalidEndpoint),
    /// An option is unknown.
    #[error(
        "unknown upstream option `{0}`: write ENDPOINT[,admin=ENDPOINT][,direct=ENDPOINT][,standby], such as \
         vsock:16:5000,admin=vsock:16:5002"
    )]
    UnknownOption(String),
    /// An option is repeated.
    #[error("upstream option `{0}` is given twice: write it once")]
    DuplicateOption(&'static str),
    /// The direct listener is neither TCP nor a Unix socket.
    #[error("direct={0} must be a TCP endpoint or a Unix socket: write HOST:PORT or unix:PATH")]
    DirectEndpoint(Endpoint),
}

impl Enclave {
    /// Returns the enclave at `endpoint`, without options.
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
                Some((DIRECT, direct)) => {
                    enclave.direct.replace(parse_client_endpoint(direct)?).is_none()
                }
                None if option == STANDBY => !mem::replace(&mut enclave.standby, true),
                _ => return Err(InvalidEnclave::UnknownOption(option.to_owned())),
            };
            if !is_first {
                let names = [ADMIN, DIRECT, STANDBY];
                let name = names.into_iter().find(|name| option.starts_with(name));
                return Err(InvalidEnclave::DuplicateOption(name.unwrap_or_default()));
            }
        }
        Ok(enclave)
    }
}

/// Parses the endpoint of a listener for clients: TCP or a Unix socket.
fn parse_client_endpoint(text: &str) -> Result<Endpoint, InvalidEnclave> {
    match text.parse()? {
        endpoint @ (Endpoint::Tcp(_) | Endpoint::Unix(_)) => Ok(endpoint),
        other => Err(InvalidEnclave::DirectEndpoint(other)),
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
