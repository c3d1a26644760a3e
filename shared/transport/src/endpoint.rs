use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

/// The vsock port that `aws-nitro-enclaves-sdk-bootstrap`'s `init` sends its boot heartbeat to.
///
/// The parent's `nitro-cli` listens on it for every enclave that boots, so nothing else may.
pub const HEARTBEAT_PORT: u32 = 9000;

/// The longest path in a `sockaddr_un`: 108 bytes with the final NUL (unix(7)).
pub(super) const MAX_UNIX_PATH: usize = 107;

/// The longest host name in text form (RFC 1035 section 2.3.4, without the root's dot).
const MAX_HOST_NAME: usize = 253;

/// Where to listen, or what to connect to.
///
/// As text: `vsock:CID:PORT`, `vsock-mux:PATH:PORT`, `unix:PATH`, `tcp:HOST:PORT`; a bare `HOST:PORT`
/// is TCP. Parsing what [`Display`](fmt::Display) prints gives the same endpoint again.
///
/// ```
/// use transport::Endpoint;
///
/// let endpoint: Endpoint = "[::1]:8000".parse()?;
/// assert_eq!(endpoint.to_string(), "tcp:[::1]:8000");
/// # Ok::<(), transport::InvalidEndpoint>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// A virtio socket: between an enclave and its parent instance.
    Vsock {
        /// The context identifier: 3 is the parent as an enclave sees it, 4,294,967,295 is any.
        cid: u32,
        /// The port, out of a space of its own that has 32 bits.
        port: u32,
    },
    /// A guest's vsock as its host has it from Firecracker or vhost-device-vsock: on a Unix socket that
    /// all ports share.
    VsockMux {
        /// The multiplexer's socket. Listening is on a socket beside it, `PATH_PORT`, which the
        /// multiplexer connects to for a guest that connects to that port of its host.
        path: PathBuf,
        /// The port: the guest's when connecting, the host's when listening.
        port: u32,
    },
    /// A Unix stream socket's path.
    Unix(PathBuf),
    /// `HOST:PORT`, where an IPv6 host is in brackets. Port 0 lets the kernel choose, when listening.
    Tcp(String),
}

/// Which rule a text breaks that should have been an [`Endpoint`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidEndpoint {
    /// No text at all.
    #[error(
        "an endpoint is missing: write vsock:CID:PORT, vsock-mux:PATH:PORT, unix:PATH or HOST:PORT"
    )]
    Empty,
    /// A scheme other than the four.
    #[error(
        "unknown scheme `{scheme}`: write vsock:CID:PORT, vsock-mux:PATH:PORT, unix:PATH, \
         tcp:HOST:PORT or HOST:PORT"
    )]
    UnknownScheme {
        /// What stands before the first colon.
        scheme: String,
    },
    /// `vsock:` is not followed by two parts.
    #[error("`vsock:{rest}` is not a CID and a port: write vsock:CID:PORT, such as vsock:16:5000")]
    NotCidAndPort {
        /// What follows `vsock:`.
        rest: String,
    },
    /// `vsock-mux:` is not followed by a path without NUL and a port.
    #[error(
        "`vsock-mux:` needs the path of a socket, without NUL, and a port: write \
         vsock-mux:PATH:PORT, such as vsock-mux:/run/enclave.vsock:5000"
    )]
    NotPathAndPort,
    /// A context identifier that is not a plain decimal of 32 bits.
    #[error("vsock CID `{cid}` is not a decimal number from 0 to 4294967295")]
    Cid {
        /// The text in its place.
        cid: String,
    },
    /// A vsock port that is not a plain decimal of 32 bits.
    #[error("vsock port `{port}` is not a decimal number from 0 to 4294967295")]
    VsockPort {
        /// The text in its place.
        port: String,
    },
    /// `unix:` without a path, or with a NUL in it.
    #[error("`unix:` needs the path of a socket, without NUL: write unix:/run/enclave.sock")]
    UnixPath,
    /// A path the kernel's address structure cannot hold.
    #[error("the socket path has {length} bytes: use a path of at most {MAX_UNIX_PATH}")]
    UnixPathTooLong {
        /// The path's length in bytes.
        length: usize,
    },
    /// TCP without a port.
    #[error("`{text}` has no port: write HOST:PORT, such as 127.0.0.1:8000")]
    NoPort {
        /// The address without a port.
        text: String,
    },
    /// A TCP port that is not a plain decimal of 16 bits.
    #[error("TCP port `{port}` is not a decimal number from 0 to 65535")]
    TcpPort {
        /// The text in its place.
        port: String,
    },
    /// An IPv6 address whose last group could be taken for a port.
    #[error("an IPv6 address needs brackets: write [ADDRESS]:PORT, such as [::1]:8000")]
    UnbracketedIpv6,
    /// Neither an IPv4 address, nor an IPv6 address in brackets, nor a host name.
    #[error("`{host}` is no host: write an IPv4 address, [an IPv6 address] or a host name")]
    Host {
        /// The text in its place.
        host: String,
    },
}

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, InvalidEndpoint> {
        match text.split_once(':') {
            None if text.is_empty() => Err(InvalidEndpoint::Empty),
            Some(("vsock", rest)) => parse_vsock(rest),
            Some(("vsock-mux", rest)) => parse_vsock_mux(rest),
            Some(("unix", path)) => parse_unix(path),
            Some(("tcp", address)) => parse_tcp(address),
            Some((scheme, rest)) if rest.starts_with("//") => {
                Err(InvalidEndpoint::UnknownScheme { scheme: scheme.to_owned() })
            }
            Some(_) | None => parse_tcp(text),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vsock { cid, port } => write!(f, "vsock:{cid}:{port}"),
            Self::VsockMux { path, port } => write!(f, "vsock-mux:{}:{port}", path.display()),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp:{address}"),
        }
    }
}

/// The one line on stdout with which a server says that it is ready, for whoever started it:
/// `PROGRAM listening on ENDPOINT`, a TCP endpoint as its bare address.
pub fn listening_message(program: &str, endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Tcp(address) => format!("{program} listening on {address}"),
        Endpoint::Unix(_) | Endpoint::Vsock { .. } | Endpoint::VsockMux { .. } => {
            format!("{program} listening on {endpoint}")
        }
    }
}

fn parse_vsock(rest: &str) -> Result<Endpoint, InvalidEndpoint> {
    let (cid, port) = rest
        .split_once(':')
        .ok_or_else(|| InvalidEndpoint::NotCidAndPort { rest: rest.to_owned() })?;
    Ok(Endpoint::Vsock {
        cid: decimal(cid).ok_or_else(|| InvalidEndpoint::Cid { cid: cid.to_owned() })?,
        port: parse_vsock_port(port)?,
    })
}

fn parse_vsock_mux(rest: &str) -> Result<Endpoint, InvalidEndpoint> {
    // A path may have colons of its own.
    let (path, port) = rest.rsplit_once(':').ok_or(InvalidEndpoint::NotPathAndPort)?;
    let path = parse_path(path, InvalidEndpoint::NotPathAndPort)?;
    Ok(Endpoint::VsockMux { path, port: parse_vsock_port(port)? })
}

fn parse_vsock_port(port: &str) -> Result<u32, InvalidEndpoint> {
    decimal(port).ok_or_else(|| InvalidEndpoint::VsockPort { port: port.to_owned() })
}

fn parse_unix(path: &str) -> Result<Endpoint, InvalidEndpoint> {
    parse_path(path, InvalidEndpoint::UnixPath).map(Endpoint::Unix)
}

fn parse_path(path: &str, no_path: InvalidEndpoint) -> Result<PathBuf, InvalidEndpoint> {
    if path.is_empty() || path.contains('\0') {
        return Err(no_path);
    }
    if path.len() > MAX_UNIX_PATH {
        return Err(InvalidEndpoint::UnixPathTooLong { length: path.len() });
    }
    Ok(PathBuf::from(path))
}

fn parse_tcp(text: &str) -> Result<Endpoint, InvalidEndpoint> {
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err(InvalidEndpoint::UnbracketedIpv6);
    }
    let (host, port) =
        text.rsplit_once(':').ok_or_else(|| InvalidEndpoint::NoPort { text: text.to_owned() })?;
    check_host(host)?;
    decimal::<u16>(port).ok_or_else(|| InvalidEndpoint::TcpPort { port: port.to_owned() })?;
    Ok(Endpoint::Tcp(text.to_owned()))
}

fn check_host(host: &str) -> Result<(), InvalidEndpoint> {
    let invalid = || InvalidEndpoint::Host { host: host.to_owned() };
    if let Some(address) = host.strip_prefix('[') {
        let address = address.strip_suffix(']').ok_or_else(invalid)?;
        return address.parse::<Ipv6Addr>().map(|_| ()).map_err(|_| invalid());
    }
    if host.parse::<Ipv6Addr>().is_ok() {
        return Err(InvalidEndpoint::UnbracketedIpv6);
    }
    if let Some((scheme, _)) = host.split_once(':') {
        return Err(InvalidEndpoint::UnknownScheme { scheme: scheme.to_owned() });
    }
    // The resolver takes `1234` or `0x7f.1` for IPv4 addresses nobody meant to write.
    let numeric = host.rsplit('.').next().is_some_and(|label| label.starts_with(is_digit));
    if numeric {
        return host.parse::<Ipv4Addr>().map(|_| ()).map_err(|_| invalid());
    }
    let is_name = !host.is_empty()
        && host.len() <= MAX_HOST_NAME
        && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    is_name.then_some(()).ok_or_else(invalid)
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

/// A decimal number with one spelling only: no sign, no leading zero.
pub(super) fn decimal<T: FromStr + fmt::Display>(text: &str) -> Option<T> {
    text.parse::<T>().ok().filter(|number| number.to_string() == text)
}

#[cfg(test)]
#[path = "endpoint_tests.rs"]
mod tests;
