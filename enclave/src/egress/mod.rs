//! Ways out of an enclave, which has no network: for foreign code that knows TCP alone, such as the
//! library of a networked hardware security module.
//!
//! Each route takes the address of one host to itself: `lo` has it, connections to it end here, and
//! their bytes go to a vsock port of the parent, where a relay passes them on to that host. The parent
//! sees every byte, and can keep, change and answer each: what connects must have TLS of its own, by
//! which it knows the host.

mod address;
pub(crate) mod loopback;
mod relay;

use std::io;
use std::net::SocketAddr;

use thiserror::Error;
use transport::{Acceptor, Endpoint, ListenError, listen};

/// Where connections are taken, and where on the parent they go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Of the host that is meant.
    pub(crate) address: SocketAddr,
    /// A vsock port.
    pub(crate) parent_port: u32,
}

/// Why a way out cannot be opened. Routes count from 1.
#[derive(Debug, Error)]
pub enum EgressError {
    /// No interface that could have addresses.
    #[error("[[egress]] needs the interface lo, which cannot be brought up: {0}")]
    Loopback(io::Error),
    /// An address that the kernel does not give.
    #[error(
        "[[egress]] number {number}: lo cannot be given its address: {error}; the enclave must be \
         root, and its kernel have that kind of address"
    )]
    Address {
        /// Which.
        number: usize,
        /// Why.
        error: io::Error,
    },
    /// An address where another listens.
    #[error("[[egress]] number {number}: {error}")]
    Listen {
        /// Which.
        number: usize,
        /// Why.
        error: ListenError,
    },
}

/// Opens `routes` to the parent with this CID, for as long as the runtime lives. Without any, nothing is
/// touched.
///
/// # Errors
/// If one of them cannot be opened.
pub async fn open(routes: &[Route], parent_cid: u32) -> Result<(), EgressError> {
    if routes.is_empty() {
        return Ok(());
    }
    // The first process has done it; another init may not have.
    loopback::up().map_err(EgressError::Loopback)?;
    for (Route { address, parent_port: port }, number) in routes.iter().zip(1..) {
        address::add_to_loopback(address.ip())
            .map_err(|error| EgressError::Address { number, error })?;
        let listener = listen(&Endpoint::Tcp(address.to_string())).await;
        let listener = listener.map_err(|error| EgressError::Listen { number, error })?;
        let parent = Endpoint::Vsock { cid: parent_cid, port: *port };
        tracing::info!(%address, %parent, "[[egress]] is open");
        tokio::spawn(relay::run(Acceptor::new(listener), parent));
    }
    Ok(())
}
