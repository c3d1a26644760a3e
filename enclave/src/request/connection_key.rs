//! The identity of a connection, and the flows in a fair queue to which the connection belongs.

use std::net::IpAddr;

use transport::client_network;

/// The key of a connection and of its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionKey {
    number: u64,
    client: Option<IpAddr>,
}

/// A flow in a fair queue: a client or a connection. A client is an IPv4 address or an IPv6 network of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum FlowKey {
    Client(IpAddr),
    Connection(u64),
}

impl ConnectionKey {
    /// Returns the key of a connection. No other open connection may have the same `number`. Without a `flow_addr`,
    /// the connection counts as a client of its own.
    pub fn new(number: u64, flow_addr: Option<IpAddr>) -> Self {
        Self { number, client: flow_addr.map(client_network) }
    }

    pub(crate) fn connection_flow(self) -> FlowKey {
        FlowKey::Connection(self.number)
    }

    pub(crate) fn client_flow(self) -> FlowKey {
        self.client.map_or(self.connection_flow(), FlowKey::Client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_flow_is_the_ipv4_address_or_ipv6_64() {
        let client = |number, address: &str| {
            ConnectionKey::new(number, Some(address.parse().unwrap())).client_flow()
        };
        assert_eq!(client(1, "2001:db8::1"), client(2, "2001:db8::ffff:0:0:1"));
        assert_ne!(client(1, "2001:db8::1"), client(1, "2001:db8:0:1::1"));
        assert_eq!(client(1, "192.0.2.7"), client(2, "::ffff:192.0.2.7"));
        assert_ne!(client(1, "192.0.2.7"), client(1, "192.0.2.8"));
        let alone = |number| ConnectionKey::new(number, None);
        assert_ne!(alone(1).client_flow(), alone(2).client_flow());
        assert_eq!(alone(1).client_flow(), alone(1).connection_flow());
    }
}
