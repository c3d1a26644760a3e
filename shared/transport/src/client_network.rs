//! The network of a client, by which limits per client count.

use std::net::{IpAddr, Ipv6Addr};

/// Returns the network that commonly belongs to one client: an IPv4 address, or the /64 of an IPv6 address.
///
/// An IPv4-mapped IPv6 address counts as the IPv4 address.
pub fn client_network(address: IpAddr) -> IpAddr {
    const HOST_BITS: u128 = (1 << 64) - 1;
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !HOST_BITS)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4_network_is_address_and_ipv6_is_64() {
        for (address, network) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8::1", "2001:db8::"),
            ("2001:db8::ffff:0:0:1", "2001:db8::"),
            ("2001:db8:0:1::1", "2001:db8:0:1::"),
        ] {
            let (address, network): (IpAddr, IpAddr) =
                (address.parse().unwrap(), network.parse().unwrap());
            assert_eq!(client_network(address), network);
        }
    }
}
