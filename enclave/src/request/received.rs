//! A request as it was received.

use std::net::IpAddr;

use hyper::http::request::Parts;

use transport::client_network;

use super::RequestId;

/// A request, and how it came.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// Its name.
    pub id: RequestId,
    /// The connection that it came on.
    pub connection: ConnectionKey,
    /// What it came over.
    pub channel: Channel,
    /// From where, by the word of the parent's relay, which proves nothing; `None` if it gives none.
    pub source: Option<IpAddr>,
    /// Its method, target and headers.
    pub head: &'a Parts,
    /// Its body, whole.
    pub body: &'a [u8],
}

/// Identifies a connection, and the client that it counts for where clients take turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionKey {
    number: u64,
    client: Option<IpAddr>,
}

/// A client or a connection that takes turns with others of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TurnKey {
    Client(IpAddr),
    Connection(u64),
}

impl ConnectionKey {
    /// Returns the key of the connection `number`, which no other open connection has. Without a
    /// `client_addr` the connection counts as a client of its own.
    pub fn new(number: u64, client_addr: Option<IpAddr>) -> Self {
        Self { number, client: client_addr.map(client_network) }
    }

    pub(crate) fn connection(self) -> TurnKey {
        TurnKey::Connection(self.number)
    }

    pub(crate) fn client(self) -> TurnKey {
        self.client.map_or(self.connection(), TurnKey::Client)
    }
}

/// What a request came over, and its answer goes back by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// What the parent instance and the network can read.
    Plain,
    /// TLS that ends here, under keys that were made here and that attestation documents bind.
    AttestedTls(TlsDetails),
    /// TLS that ends here, under a key of the configuration, which others hold as well.
    ProvidedTls(TlsDetails),
}

impl Channel {
    /// Whether it is TLS that ends here.
    pub fn is_tls(self) -> bool {
        self.tls_details().is_some()
    }

    /// Returns what was agreed on, of TLS.
    pub(crate) const fn tls_details(self) -> Option<TlsDetails> {
        match self {
            Self::Plain => None,
            Self::AttestedTls(details) | Self::ProvidedTls(details) => Some(details),
        }
    }
}

/// What was agreed on, as CloudTrail names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsDetails {
    /// Such as `TLSv1.3`.
    pub version: &'static str,
    /// As IANA names it, such as `TLS_AES_128_GCM_SHA256`.
    pub cipher_suite: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_clients_by_address_or_64_or_connection() {
        let client = |number, address: &str| {
            ConnectionKey::new(number, Some(address.parse().unwrap())).client()
        };
        assert_eq!(client(1, "2001:db8::1"), client(2, "2001:db8::ffff:0:0:1"));
        assert_ne!(client(1, "2001:db8::1"), client(1, "2001:db8:0:1::1"));
        assert_eq!(client(1, "192.0.2.7"), client(2, "::ffff:192.0.2.7"));
        assert_ne!(client(1, "192.0.2.7"), client(1, "192.0.2.8"));
        let alone = |number| ConnectionKey::new(number, None);
        assert_ne!(alone(1).client(), alone(2).client());
        assert_eq!(alone(1).client(), alone(1).connection());
    }
}
