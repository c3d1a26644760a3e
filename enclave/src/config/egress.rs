//! The tables `[[egress]]`.

use std::net::{IpAddr, SocketAddr};

use serde::Deserialize;
use thiserror::Error;
use transport::HEARTBEAT_PORT;

use super::bounded_u32::BoundedU32;
use super::profile::Profile;
use crate::egress::Route;

/// Maximum number of routes. An HSM cluster has far fewer modules.
const MAX_ROUTES: usize = 64;

/// The highest vsock port. The next number, `VMADDR_PORT_ANY`, is no port.
const MAX_VSOCK_PORT: u32 = u32::MAX - 1;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EgressTable {
    /// The IP address and port of the remote host.
    address: String,
    /// The vsock port on the parent instance that forwards to the host.
    parent_port: BoundedU32<1, MAX_VSOCK_PORT>,
}

/// Builds the routes of all tables.
pub(super) fn routes(
    tables: Vec<EgressTable>,
    profile: Profile,
) -> Result<Vec<Route>, InvalidEgress> {
    if profile == Profile::Development && !tables.is_empty() {
        return Err(InvalidEgress::InDevelopment);
    }
    if tables.len() > MAX_ROUTES {
        return Err(InvalidEgress::TooManyRoutes { most: MAX_ROUTES });
    }
    let mut routes: Vec<Route> = Vec::with_capacity(tables.len());
    for (table, number) in tables.into_iter().zip(1..) {
        let route = route(&table, &routes);
        routes.push(route.map_err(|reason| InvalidEgress::Route { number, reason })?);
    }
    Ok(routes)
}

/// Builds the route of `table`. Rejects an address or a port that a route in `others` has.
fn route(table: &EgressTable, others: &[Route]) -> Result<Route, InvalidRoute> {
    let address: SocketAddr = table.address.parse().map_err(|_| InvalidRoute::Address)?;
    let parent_port = table.parent_port.get();
    if address.port() == 0 {
        return Err(InvalidRoute::Port);
    }
    if !is_of_another_host(address) {
        return Err(InvalidRoute::Host);
    }
    if parent_port == HEARTBEAT_PORT {
        return Err(InvalidRoute::Heartbeat);
    }
    let number_of =
        |matches: &dyn Fn(&Route) -> bool| others.iter().position(matches).map(|it| it + 1);
    if let Some(other) = number_of(&|other| other.address == address) {
        return Err(InvalidRoute::DuplicateAddress { other });
    }
    if let Some(other) = number_of(&|other| other.parent_port == parent_port) {
        return Err(InvalidRoute::DuplicatePort { other });
    }
    Ok(Route { address, parent_port })
}

fn is_of_another_host(address: SocketAddr) -> bool {
    let is_special = match address {
        SocketAddr::V4(v4) => {
            let ip = v4.ip();
            ip.is_broadcast() || ip.is_link_local()
        }
        SocketAddr::V6(v6) => {
            v6.scope_id() != 0
                || v6.ip().is_unicast_link_local()
                || matches!(v6.ip().to_canonical(), IpAddr::V4(_))
        }
    };
    let ip = address.ip();
    !(is_special || ip.is_loopback() || ip.is_unspecified() || ip.is_multicast())
}

/// The error for the tables `[[egress]]`, which are numbered from 1.
#[derive(Debug, Error)]
pub enum InvalidEgress {
    /// An egress route in the configuration of a simulator.
    #[error(
        "[[egress]] is only for an enclave, which has no network interface: remove the table, \
         because the simulator connects directly"
    )]
    InDevelopment,
    /// Too many routes.
    #[error("there are more than {most} [[egress]] tables: remove some")]
    TooManyRoutes {
        /// The maximum number of routes.
        most: usize,
    },
    /// An invalid route.
    #[error("[[egress]] number {number}: {reason}")]
    Route {
        /// The number of the entry, from 1.
        number: usize,
        /// The cause.
        reason: InvalidRoute,
    },
}

/// The error for one egress route.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum InvalidRoute {
    /// A text that is not an IP address and a port.
    #[error(
        "address is invalid: use an IP address and a port, such as \"10.0.1.5:2223\" or \
         \"[fd00::5]:2223\", because an enclave cannot resolve names"
    )]
    Address,
    /// Port 0.
    #[error("address has port 0: use the port of the HSM, such as 2223")]
    Port,
    /// An address that is not the address of one remote host.
    #[error(
        "address is not of one remote host: use no loopback, unspecified, broadcast, multicast, \
         link-local or IPv4-mapped address"
    )]
    Host,
    /// Two routes with the same address.
    #[error("address is the same as in number {other}: remove one of them")]
    DuplicateAddress {
        /// The number of the other entry, from 1.
        other: usize,
    },
    /// The port on which nitro-cli waits for the heartbeat of an enclave.
    #[error("parent_port {HEARTBEAT_PORT} is the heartbeat port of nitro-cli: choose another")]
    Heartbeat,
    /// Two routes with the same parent port.
    #[error(
        "parent_port is the same as in number {other}, so both routes would reach one host: use a \
         different port for each"
    )]
    DuplicatePort {
        /// The number of the other entry, from 1.
        other: usize,
    },
}
