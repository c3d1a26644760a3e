//! The address for clients.

use std::fmt;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::str::FromStr;

use listenfd::ListenFd;
use thiserror::Error;
use transport::{Endpoint, Listener, listen, listen_private};

use super::error::ProxyError;

/// The first port that any user can listen on (ip(7), `ip_unprivileged_port_start`).
const FIRST_UNPRIVILEGED_PORT: u16 = 1024;

const SYSTEMD: &str = "systemd";

/// The address for clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// An address of the loopback interface.
    Loopback(SocketAddr),
    /// A Unix socket with mode 0600.
    Unix(PathBuf),
    /// The socket that the service manager passes.
    Systemd,
}

/// The reason why a text is not an address for clients.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidListenAddress {
    /// The text has another form.
    #[error("expected 127.0.0.1:PORT, [::1]:PORT, unix:PATH or systemd")]
    Form,
    /// The address is not one of the loopback interface.
    #[error(
        "{0} is not a loopback address: the listener has no TLS and no authentication, so it must \
         not be reachable from other machines; write 127.0.0.1:PORT or unix:PATH"
    )]
    NotLoopback(SocketAddr),
}

impl FromStr for ListenAddress {
    type Err = InvalidListenAddress;

    fn from_str(text: &str) -> Result<Self, InvalidListenAddress> {
        if text == SYSTEMD {
            return Ok(Self::Systemd);
        }
        if text.starts_with("unix:") {
            return match text.parse() {
                Ok(Endpoint::Unix(path)) => Ok(Self::Unix(path)),
                _ => Err(InvalidListenAddress::Form),
            };
        }
        let address: SocketAddr = text.parse().map_err(|_| InvalidListenAddress::Form)?;
        match address.ip().is_loopback() {
            true => Ok(Self::Loopback(address)),
            false => Err(InvalidListenAddress::NotLoopback(address)),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback(address) => address.fmt(formatter),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
            Self::Systemd => formatter.write_str(SYSTEMD),
        }
    }
}

impl ListenAddress {
    /// Returns a warning if another user of the machine could take the address while the proxy does not run.
    pub fn warning(&self) -> Option<String> {
        match self {
            // The kernel replaces port 0 by such a port.
            Self::Loopback(address) if !(1..FIRST_UNPRIVILEGED_PORT).contains(&address.port()) => {
                Some(format!(
                    "any user of this machine can listen on {address} while the proxy does not run, and \
                 answer its clients; use a port below {FIRST_UNPRIVILEGED_PORT} with the socket \
                 unit, or unix:PATH"
                ))
            }
            _ => None,
        }
    }

    /// Listens on the address.
    pub(super) async fn open(&self) -> Result<Listener, ProxyError> {
        match self {
            Self::Loopback(address) => Ok(listen(&Endpoint::Tcp(address.to_string())).await?),
            Self::Unix(path) => Ok(listen_private(path).await?),
            Self::Systemd => inherited().map_err(ProxyError::Inherited),
        }
    }
}

/// Returns the socket that the service manager passed. A TCP socket must have a loopback address.
fn inherited() -> io::Result<Listener> {
    let mut passed = ListenFd::from_env();
    if let Ok(Some(listener)) = passed.take_unix_listener(0) {
        let address = listener.local_addr()?;
        let path = address.as_pathname().ok_or_else(|| io::Error::other("it has no path"))?;
        let endpoint = Endpoint::Unix(path.to_owned());
        return Listener::from_inherited(OwnedFd::from(listener), &endpoint);
    }
    let missing = || io::Error::other("LISTEN_FDS and LISTEN_PID pass no socket");
    let listener = passed.take_tcp_listener(0)?.ok_or_else(missing)?;
    let address = listener.local_addr()?;
    match address.ip().is_loopback() {
        true => Listener::from_inherited_tcp(listener),
        false => Err(io::Error::other(InvalidListenAddress::NotLoopback(address))),
    }
}

/// Returns the user of this process.
pub(super) fn own_uid() -> io::Result<u32> {
    // proc(5): the files of a process belong to its effective user, unless it is not dumpable.
    fs::metadata("/proc/self").map(|process| process.uid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_loopback_unix_and_systemd_only() {
        for text in ["127.0.0.1:80", "127.9.9.9:80", "[::1]:80", "unix:/run/kms.sock", "systemd"] {
            let address: ListenAddress = text.parse().unwrap();
            assert_eq!((address.to_string().as_str(), address.warning()), (text, None));
        }
        for text in ["0.0.0.0:80", "[::]:80", "192.0.2.1:80", "[2001:db8::1]:80"] {
            let address = text.parse().unwrap();
            let expected = InvalidListenAddress::NotLoopback(address);
            assert_eq!(text.parse::<ListenAddress>(), Err(expected), "{text}");
        }
        for text in ["", "80", "127.0.0.1", "localhost:80", "vsock:16:80", "unix:", "127.0.0.1:+80"]
        {
            assert_eq!(text.parse::<ListenAddress>(), Err(InvalidListenAddress::Form), "{text}");
        }
    }

    #[test]
    fn warns_of_ports_that_any_user_can_take() {
        let warning = |text: &str| text.parse::<ListenAddress>().unwrap().warning();
        for text in ["127.0.0.1:1024", "[::1]:65535", "127.0.0.1:0"] {
            assert!(warning(text).unwrap().contains("any user"), "{text}");
        }
        assert_eq!(warning("127.0.0.1:1023"), None);
    }
}
