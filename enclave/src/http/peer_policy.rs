//! Decides which peers may connect, and reads the PROXY header at the start of a client connection.
//!
//! The only allowed peer of an enclave is its parent instance. The check depends on the transport:
//!
//! - vsock: The hypervisor reports the CID of the peer. The listener rejects other CIDs before it reads any byte.
//! - Unix socket: The permissions of the socket file decide which processes can connect.
//! - TCP: Every peer may connect. On client connections with the PROXY protocol, only local peers may connect.
//!   TCP is for the simulator, and for enclaves that the operator exposes on purpose.

use std::fmt;
use std::net::IpAddr;

use thiserror::Error;
use tokio::io::AsyncRead;
use transport::{LogThrottle, ProxyHeader, ProxyHeaderError, Stream};

use super::timeouts::PROXY_HEADER_TIMEOUT;
use crate::clock::timeout;

/// The peers that a listener accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerPolicy {
    /// CID of the parent instance, which is the only accepted CID. `None` accepts every CID.
    pub parent_cid: Option<u32>,
    /// True if client connections start with a PROXY protocol v2 header that carries the client's address.
    pub proxy_protocol: bool,
}

/// The listener that a peer connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listener {
    Clients,
    Admin,
}

/// The peer of a connection, as the kernel reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    Vsock {
        cid: u32,
    },
    Tcp(IpAddr),
    /// A peer on a Unix socket. Multiplexed vsock also uses Unix sockets.
    Unix,
}

impl fmt::Display for Listener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Clients => "clients",
            Self::Admin => "admin",
        })
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vsock { cid } => write!(formatter, "vsock:{cid}"),
            Self::Tcp(address) => write!(formatter, "tcp:{address}"),
            Self::Unix => formatter.write_str("unix"),
        }
    }
}

impl Peer {
    /// Returns the peer of `stream`, or `None` if the peer has already disconnected.
    pub(super) fn from_stream(stream: &Stream) -> Option<Self> {
        match (stream.peer_cid().ok()?, stream.peer_address(), stream.local_address()) {
            (Some(cid), ..) => Some(Self::Vsock { cid }),
            (None, Some(address), _) => Some(Self::Tcp(address.ip())),
            (None, None, Some(_)) => None,
            (None, None, None) => Some(Self::Unix),
        }
    }
}

impl PeerPolicy {
    /// Returns whether the vsock peer `cid` may connect to any listener.
    pub fn accepts_cid(&self, cid: u32) -> bool {
        self.parent_cid.is_none_or(|parent| parent == cid)
    }

    /// Returns whether `peer` may connect to `listener`.
    pub(super) fn accepts(&self, listener: Listener, peer: Peer) -> bool {
        match peer {
            Peer::Vsock { cid } => self.accepts_cid(cid),
            // The audit trail and the policies use the address in a PROXY header, so only local peers may send
            // this header.
            Peer::Tcp(ip) if listener == Listener::Clients && self.proxy_protocol => {
                ip.to_canonical().is_loopback()
            }
            Peer::Tcp(_) | Peer::Unix => true,
        }
    }

    /// Returns the address by which fair queues group connections: the address in the PROXY header, or without
    /// the PROXY protocol the address of the TCP peer. vsock and Unix peers have no such address.
    pub(super) fn flow_addr(&self, header: &ProxyHeader, peer: Peer) -> Option<IpAddr> {
        match peer {
            _ if self.proxy_protocol => header.client_addr.map(|address| address.ip()),
            Peer::Tcp(address) => Some(address),
            Peer::Vsock { .. } | Peer::Unix => None,
        }
    }

    /// Reads the PROXY header of a client connection, and no byte after the header. Returns an empty header if the
    /// PROXY protocol is off.
    pub(super) async fn read_proxy_header(
        &self,
        stream: &mut (impl AsyncRead + Unpin),
    ) -> Result<ProxyHeader, ProxyProtocolError> {
        if !self.proxy_protocol {
            return Ok(ProxyHeader::default());
        }
        let read = timeout(PROXY_HEADER_TIMEOUT, ProxyHeader::read(stream)).await;
        Ok(read.map_err(|_| ProxyProtocolError::TimedOut)??)
    }
}

/// The reason to reject a connection because of its PROXY header.
#[derive(Debug, Error)]
pub(super) enum ProxyProtocolError {
    /// The header is invalid or missing.
    #[error(transparent)]
    Header(#[from] ProxyHeaderError),
    /// The header was not received in time.
    #[error("PROXY header not received within {} s", PROXY_HEADER_TIMEOUT.as_secs())]
    TimedOut,
    /// The connection starts with a header although the PROXY protocol is off.
    #[error(
        "unexpected PROXY header: set [server] proxy_protocol = true, or run the relay without \
         --proxy-protocol"
    )]
    UnexpectedHeader,
}

/// A log of rejected connections, with one line per burst of rejections.
#[derive(Debug, Default)]
pub(super) struct RejectionLog {
    peers: LogThrottle,
    headers: LogThrottle,
}

impl RejectionLog {
    pub(super) fn log_peer(&self, listener: Listener, peer: Peer) {
        if self.peers.should_log() {
            tracing::warn!(%listener, %peer, "connection rejected: the peer is not the parent instance");
        }
    }

    pub(super) fn log_proxy_error(&self, error: &ProxyProtocolError) {
        if self.headers.should_log() {
            tracing::warn!(%error, "connection rejected by [server] proxy_protocol");
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};
    use tokio::time::Instant;

    use super::*;

    const LISTENERS: [Listener; 2] = [Listener::Clients, Listener::Admin];

    fn tcp(ip: &str) -> Peer {
        Peer::Tcp(ip.parse().unwrap())
    }

    #[test]
    fn f15_rejects_vsock_peers_other_than_the_parent() {
        for proxy_protocol in [false, true] {
            let peer_policy = PeerPolicy { parent_cid: Some(3), proxy_protocol };
            for listener in LISTENERS {
                // The hypervisor, the local CID, the host, another enclave, and any CID.
                for cid in [0, 1, 2, 4, 16, u32::MAX] {
                    assert!(
                        !peer_policy.accepts(listener, Peer::Vsock { cid }),
                        "{listener:?} {cid}"
                    );
                }
                assert!(peer_policy.accepts(listener, Peer::Vsock { cid: 3 }));
            }
        }
        let simulator = PeerPolicy::default();
        assert!(
            LISTENERS
                .into_iter()
                .all(|listener| simulator.accepts(listener, Peer::Vsock { cid: 16 }))
        );
    }

    #[test]
    fn rejects_remote_tcp_peers_when_proxy_protocol_is_on() {
        let plain = PeerPolicy { parent_cid: Some(3), proxy_protocol: false };
        let proxied = PeerPolicy { proxy_protocol: true, ..plain };
        for ip in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(proxied.accepts(Listener::Clients, tcp(ip)), "{ip}");
        }
        for ip in ["192.0.2.7", "::ffff:192.0.2.7", "2001:db8::7", "0.0.0.0"] {
            assert!(!proxied.accepts(Listener::Clients, tcp(ip)), "{ip}");
            // The admin listener and a listener without the PROXY protocol read no header.
            assert!(proxied.accepts(Listener::Admin, tcp(ip)), "{ip}");
            assert!(plain.accepts(Listener::Clients, tcp(ip)), "{ip}");
        }
        assert!(LISTENERS.into_iter().all(|listener| proxied.accepts(listener, Peer::Unix)));
    }

    #[test]
    fn flow_addr_is_from_the_header_or_the_tcp_peer() {
        let client_addr = Some("198.51.100.9:50000".parse().unwrap());
        let (named, unnamed) =
            (ProxyHeader { client_addr, connection_id: None }, ProxyHeader::default());
        let address = |ip: &str| Some(ip.parse::<IpAddr>().unwrap());
        let vsock = Peer::Vsock { cid: 3 };
        let proxied = PeerPolicy { parent_cid: None, proxy_protocol: true };
        for peer in [tcp("127.0.0.1"), vsock, Peer::Unix] {
            assert_eq!(proxied.flow_addr(&named, peer), address("198.51.100.9"));
            assert_eq!(proxied.flow_addr(&unnamed, peer), None);
        }
        let plain = PeerPolicy::default();
        assert_eq!(plain.flow_addr(&unnamed, tcp("192.0.2.7")), address("192.0.2.7"));
        assert_eq!(plain.flow_addr(&unnamed, vsock), None);
        assert_eq!(plain.flow_addr(&unnamed, Peer::Unix), None);
    }

    #[tokio::test(start_paused = true)]
    async fn incomplete_proxy_header_times_out() {
        let peer_policy = PeerPolicy { proxy_protocol: true, ..PeerPolicy::default() };
        let header = ProxyHeader::default().encode(None);
        let (mut relay, mut stream) = duplex(64);
        relay.write_all(&header[..header.len() - 1]).await.unwrap();
        let start = Instant::now();
        let error = peer_policy.read_proxy_header(&mut stream).await.unwrap_err();
        assert!(matches!(error, ProxyProtocolError::TimedOut), "{error}");
        assert_eq!(start.elapsed().as_secs(), PROXY_HEADER_TIMEOUT.as_secs());
    }

    #[tokio::test]
    async fn reads_nothing_without_proxy_protocol() {
        let mut stream = &b"GET"[..];
        let header = PeerPolicy::default().read_proxy_header(&mut stream).await.unwrap();
        assert_eq!((header, stream), (ProxyHeader::default(), &b"GET"[..]));
    }
}
