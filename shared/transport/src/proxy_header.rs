//! The PROXY protocol, version 2, which transmits the address of a relayed client to the enclave:
//! <https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt>.
//!
//! A header is an unauthenticated claim of the relay.
//!
//! The crates `proxy-header` 0.1.3 and `ppp` 2.3.0 cannot replace this reader for three reasons:
//!
//! - They decode buffers, not streams of bounded length.
//! - They reject some LOCAL headers.
//! - They accept datagrams and checksums, which this reader rejects.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The first bytes of a header. HTTP and TLS do not begin with these bytes.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Length of the fixed part, in bytes: signature, version and command, family, length.
const FIXED_LENGTH: usize = 16;

/// Maximum length of the rest, in bytes. Unix addresses have 216 bytes, and common TLVs are short.
const MAX_REST_LENGTH: usize = 1024;

const VERSION_2: u8 = 0x20;
const LOCAL: u8 = 0;
const PROXY: u8 = 1;
const UNSPECIFIED: u8 = 0x00;
const TCP_OVER_IPV4: u8 = 0x11;
const TCP_OVER_IPV6: u8 = 0x21;
const UNIX_STREAM: u8 = 0x31;
/// PP2_TYPE_CRC32C.
const CHECKSUM: u8 = 0x03;
/// PP2_TYPE_UNIQUE_ID.
const UNIQUE_ID: u8 = 0x05;

/// The identifier of a connection in the logs of relay and enclave.
///
/// Its text, `xxxxxxxx-xxxx`, is the prefix of the identifiers of the connection's requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionId(pub [u8; ConnectionId::LENGTH]);

impl ConnectionId {
    /// Length, in bytes.
    pub const LENGTH: usize = 6;

    /// Creates an identifier from the lower six bytes of `number`.
    pub fn from_number(number: u64) -> Self {
        let [_, _, id @ ..] = number.to_be_bytes();
        Self(id)
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(formatter, "{a:02x}{b:02x}{c:02x}{d:02x}-{e:02x}{f:02x}")
    }
}

/// The content of a header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProxyHeader {
    /// The client's address. `None` if the relay itself is the client, or the address is unknown.
    pub client_addr: Option<SocketAddr>,
    /// The connection's identifier. `None` if the header has none, or one of another length.
    pub connection_id: Option<ConnectionId>,
}

/// A reason why a header is rejected.
#[derive(Debug, Error)]
pub enum ProxyHeaderError {
    /// The connection failed or ended within the header.
    #[error("the connection ended within the PROXY header: {0}")]
    Io(#[from] io::Error),
    /// The connection does not begin with the signature. The connection may begin with a header of version 1,
    /// or without a header.
    #[error(
        "the connection does not begin with a PROXY header of version 2: start the relay with --proxy-protocol"
    )]
    Signature,
    /// The command is not PROXY or LOCAL, or the version is not 2.
    #[error("version and command of the PROXY header are {0:#04x} instead of 0x20 or 0x21")]
    Command(u8),
    /// The address family or protocol is not supported.
    #[error("the PROXY header's family is {0:#04x}: only TCP and Unix streams are supported")]
    Family(u8),
    /// The header is longer than the maximum.
    #[error("the PROXY header declares {0} more bytes: at most {MAX_REST_LENGTH} are allowed")]
    TooLong(usize),
    /// The declared length ends within an address or a TLV.
    #[error("the PROXY header ends within an address or a TLV")]
    Truncated,
    /// The header has a checksum, which this reader cannot verify.
    #[error(
        "the PROXY header has a checksum, which is not supported: configure the relay to omit it"
    )]
    Checksum,
}

impl ProxyHeader {
    /// Encodes the header for a client that connected to `local`.
    pub fn encode(&self, local: Option<SocketAddr>) -> Vec<u8> {
        let mut rest = Vec::with_capacity(FIXED_LENGTH + 64);
        let addresses = self.client_addr.map(canonical).zip(local.map(canonical));
        let family = match addresses {
            Some((SocketAddr::V4(client), SocketAddr::V4(local))) => {
                rest.extend(client.ip().octets());
                rest.extend(local.ip().octets());
                TCP_OVER_IPV4
            }
            Some((client, local)) => {
                rest.extend(to_ipv6_mapped(client.ip()).octets());
                rest.extend(to_ipv6_mapped(local.ip()).octets());
                TCP_OVER_IPV6
            }
            None => UNSPECIFIED,
        };
        if let Some((client, local)) = addresses {
            rest.extend(client.port().to_be_bytes());
            rest.extend(local.port().to_be_bytes());
        }
        if let Some(ConnectionId(id)) = self.connection_id {
            rest.push(UNIQUE_ID);
            rest.extend(u16::try_from(id.len()).unwrap_or_default().to_be_bytes());
            rest.extend(id);
        }
        let mut header = SIGNATURE.to_vec();
        header.extend([VERSION_2 | PROXY, family]);
        header.extend(u16::try_from(rest.len()).unwrap_or_default().to_be_bytes());
        header.extend(rest);
        header
    }

    /// Returns whether `bytes` begin with the signature of a header.
    pub fn is_start_of(bytes: &[u8]) -> bool {
        bytes.starts_with(&SIGNATURE)
    }

    /// Reads a header and no byte after it. The caller sets the deadline.
    ///
    /// # Errors
    /// If the connection fails or ends within the header, or the header is not valid. In each case, the caller
    /// must close the connection.
    pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Self, ProxyHeaderError> {
        // The fixed part is read at once, because each read of an unbuffered stream is a system call.
        let mut fixed = [0; FIXED_LENGTH];
        stream.read_exact(&mut fixed).await?;
        let Some(&[command, family, high, low]) = fixed.strip_prefix(&SIGNATURE) else {
            return Err(ProxyHeaderError::Signature);
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > MAX_REST_LENGTH {
            return Err(ProxyHeaderError::TooLong(length));
        }
        let mut rest = [0; MAX_REST_LENGTH];
        let rest = rest.get_mut(..length).unwrap_or_default();
        stream.read_exact(rest).await?;
        match command ^ VERSION_2 {
            // Section 2.2: the receiver ignores the rest of the header.
            LOCAL => Ok(Self::default()),
            PROXY => Self::parse(family, rest),
            _ => Err(ProxyHeaderError::Command(command)),
        }
    }

    fn parse(family: u8, rest: &[u8]) -> Result<Self, ProxyHeaderError> {
        let (client, tlvs) = match family {
            UNSPECIFIED => (None, rest),
            UNIX_STREAM => (None, split_array::<216>(rest)?.1),
            TCP_OVER_IPV4 => {
                let (ip, ports, tlvs) = parse_addresses::<4>(rest)?;
                (Some(SocketAddr::new(Ipv4Addr::from(ip).into(), ports)), tlvs)
            }
            TCP_OVER_IPV6 => {
                let (ip, ports, tlvs) = parse_addresses::<16>(rest)?;
                (Some(SocketAddr::new(Ipv6Addr::from(ip).into(), ports)), tlvs)
            }
            other => return Err(ProxyHeaderError::Family(other)),
        };
        Ok(Self { client_addr: client.map(canonical), connection_id: connection_id(tlvs)? })
    }
}

/// Splits off both addresses and ports. Returns the source's address and port, and the TLVs.
fn parse_addresses<const N: usize>(rest: &[u8]) -> Result<([u8; N], u16, &[u8]), ProxyHeaderError> {
    let (source, rest) = split_array::<N>(rest)?;
    let (_, rest) = split_array::<N>(rest)?;
    let (port, rest) = split_array::<2>(rest)?;
    let (_, rest) = split_array::<2>(rest)?;
    Ok((*source, u16::from_be_bytes(*port), rest))
}

/// Returns the connection's identifier from the TLVs, if it has [`ConnectionId::LENGTH`] bytes.
///
/// A TLV is a type, a length and a value.
fn connection_id(mut tlvs: &[u8]) -> Result<Option<ConnectionId>, ProxyHeaderError> {
    let mut connection = None;
    while !tlvs.is_empty() {
        let ([kind, high, low], rest) = split_array::<3>(tlvs)?;
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (value, rest) = rest.split_at_checked(length).ok_or(ProxyHeaderError::Truncated)?;
        match *kind {
            CHECKSUM => return Err(ProxyHeaderError::Checksum),
            UNIQUE_ID => connection = value.try_into().ok().map(ConnectionId),
            _ => {}
        }
        tlvs = rest;
    }
    Ok(connection)
}

fn split_array<const N: usize>(bytes: &[u8]) -> Result<(&[u8; N], &[u8]), ProxyHeaderError> {
    bytes.split_first_chunk().ok_or(ProxyHeaderError::Truncated)
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn to_ipv6_mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

#[cfg(test)]
#[path = "proxy_header_tests.rs"]
mod tests;
