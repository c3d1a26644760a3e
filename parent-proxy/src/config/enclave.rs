//! An upstream as it is written: an endpoint and its options.

use std::fmt::{self, Display};
use std::mem;
use std::str::FromStr;

use thiserror::Error as ThisError;
use transport::{Endpoint, InvalidEndpoint};

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
        "unknown upstream option `{0}`: write ENDPOINT[,admin=ENDPOINT][,direct=ENDPOINT][,standby], such as \
         vsock:16:5000,admin=vsock:16:5002"
    )]
    UnknownOption(String),
    /// An option that is there again.
    #[error("upstream option `{0}` is given twice: write it once")]
    DuplicateOption(&'static str),
    /// A direct listener on vsock.
    #[error(
        "direct={0}: a direct listener must be TCP or a Unix socket: write HOST:PORT or unix:PATH"
    )]
    DirectEndpoint(Endpoint),
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

/// Parses an endpoint on which clients can connect.
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
