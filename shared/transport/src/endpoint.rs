use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

/// The vsock port to which the `init` of `aws-nitro-enclaves-sdk-bootstrap` sends its boot heartbeat.
///
/// The parent's `nitro-cli` listens on this port for every enclave that boots, so other programs must not use
/// the port.
pub const HEARTBEAT_PORT: u32 = 9000;

/// Maximum length of a path in a `sockaddr_un`, in bytes: 108 with the final NUL (unix(7)).
pub(super) const MAX_UNIX_PATH: usize = 107;

/// Maximum length of a host name in text form, in bytes (RFC 1035 section 2.3.4, without the root's dot).
const MAX_HOST_NAME: usize = 253;

/// An address to listen on or to connect to.
///
/// The text form is `vsock:CID:PORT`, `vsock-mux:PATH:PORT`, `unix:PATH` or `tcp:HOST:PORT`. A bare
/// `HOST:PORT` is TCP. The output of [`Display`](fmt::Display) parses to the same endpoint.
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
    /// A virtio socket between an enclave and its parent instance.
    Vsock {
        /// The context identifier: 3 is the parent of an enclave, and 4,294,967,295 is any.
        cid: u32,
        /// The vsock port, a number of 32 bits.
        port: u32,
    },
    /// A guest's vsock that Firecracker or vhost-device-vsock multiplexes on one Unix socket of the host.
    VsockMux {
        /// The path of the multiplexer's socket, to which connections to the guest go. A listener is at
        /// `PATH_PORT`: the multiplexer connects to this socket if the guest connects to `port` of its host.
        path: PathBuf,
        /// The port of the guest to connect to, or the port of the host to listen on.
        port: u32,
    },
    /// The path of a Unix stream socket.
    Unix(PathBuf),
    /// `HOST:PORT`, with brackets around an IPv6 address. If a listener has port 0, the kernel chooses the
    /// port.
    Tcp(String),
}

/// A reason why a text is not an [`Endpoint`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidEndpoint {
    /// No text at all.
    #[error(
        "an endpoint is missing: write vsock:CID:PORT, vsock-mux:PATH:PORT, unix:PATH or HOST:PORT"
    )]
    Empty,
    /// A scheme that is not supported.
    #[error(
        "unknown scheme `{scheme}`: write vsock:CID:PORT, vsock-mux:PATH:PORT, unix:PATH, \
         tcp:HOST:PORT or HOST:PORT"
    )]
    UnknownScheme {
        /// The text before the first colon.
        scheme: String,
    },
    /// `vsock:` is not followed by two parts.
    #[error("`vsock:{rest}` is not a CID and a port: write vsock:CID:PORT, such as vsock:16:5000")]
    NotCidAndPort {
        /// The text after `vsock:`.
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
        /// The invalid text.
        cid: String,
    },
    /// A vsock port that is not a plain decimal of 32 bits.
    #[error("vsock port `{port}` is not a decimal number from 0 to 4294967295")]
    VsockPort {
        /// The invalid text.
        port: String,
    },
    /// `unix:` without a path, or with a NUL in the path.
    #[error("`unix:` needs the path of a socket, without NUL: write unix:/run/enclave.sock")]
    UnixPath,
    /// A path that is too long for the kernel's address structure.
    #[error("the socket path has {length} bytes: use a path of at most {MAX_UNIX_PATH}")]
    UnixPathTooLong {
        /// The path's length in bytes.
        length: usize,
    },
    /// A TCP address without a port.
    #[error("`{text}` has no port: write HOST:PORT, such as 127.0.0.1:8000")]
    NoPort {
        /// The address without a port.
        text: String,
    },
    /// A TCP port that is not a plain decimal of 16 bits.
    #[error("TCP port `{port}` is not a decimal number from 0 to 65535")]
    TcpPort {
        /// The invalid text.
        port: String,
    },
    /// An IPv6 address without brackets. The last group of such an address could also be a port.
    #[error("an IPv6 address needs brackets: write [ADDRESS]:PORT, such as [::1]:8000")]
    UnbracketedIpv6,
    /// A host that is not an IPv4 address, an IPv6 address in brackets, or a host name.
    #[error("`{host}` is not a host: write an IPv4 address, [an IPv6 address] or a host name")]
    Host {
        /// The invalid text.
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

/// Returns the line that a server prints to stdout once it is ready: `PROGRAM listening on ENDPOINT`.
///
/// A TCP endpoint is printed as its bare address.
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
    // A path may contain colons.
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
    // The resolver interprets texts such as `1234` and `0x7f.1` as IPv4 addresses, so they are rejected.
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

/// Parses a decimal number in its only canonical form: no sign, no leading zero.
pub(super) fn decimal<T: FromStr + fmt::Display>(text: &str) -> Option<T> {
    text.parse::<T>().ok().filter(|number| number.to_string() == text)
}

#[cfg(test)]
#[path = "endpoint_tests.rs"]
mod tests;
