//! The egress routes of an enclave. An enclave has no network. Egress routes serve third-party code that
//! needs TCP, such as the library of a networked hardware security module.
//!
//! Each route leads to one host. The service assigns the address of the host to the loopback interface
//! `lo`, and accepts the connections to this address. The service forwards the bytes of each connection to
//! a vsock port of the parent instance. A relay on the parent forwards the bytes to the host.
//!
//! The parent instance can read, drop, change and forge every byte. So the client must use its own TLS,
//! which authenticates the host.

mod address;
pub(crate) mod loopback;
mod relay;

use std::io;
use std::net::SocketAddr;

use thiserror::Error;
use transport::{Acceptor, Endpoint, ListenError, listen};

/// An egress route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Address of the host.
    pub(crate) address: SocketAddr,
    /// Vsock port on the parent.
    pub(crate) parent_port: u32,
}

/// The reason why a route cannot be opened.
#[derive(Debug, Error)]
pub enum EgressError {
    /// The interface `lo` cannot be brought up.
    #[error("cannot bring up the interface lo, which [[egress]] needs: {0}")]
    Loopback(io::Error),
    /// The kernel does not assign the address.
    #[error(
        "[[egress]] number {number}: cannot add the address to lo: {error}; the process must run as \
         root, and the kernel must support this kind of address"
    )]
    Address {
        /// Number of the entry, from 1.
        number: usize,
        /// Error of the kernel.
        error: io::Error,
    },
    /// The service cannot listen on the address.
    #[error("[[egress]] number {number}: {error}")]
    Listen {
        /// Number of the entry, from 1.
        number: usize,
        /// Error of the listener.
        error: ListenError,
    },
}

/// Opens `routes` to the parent with this CID. The routes stay open until the runtime ends. Changes nothing
/// if `routes` is empty.
///
/// # Errors
/// Fails if a route cannot be opened.
pub async fn open(routes: &[Route], parent_cid: u32) -> Result<(), EgressError> {
    if routes.is_empty() {
        return Ok(());
    }
    // If this program is the first process, it has already brought up `lo`. Another init may have left `lo`
    // down.
    loopback::bring_up().map_err(EgressError::Loopback)?;
    for (Route { address, parent_port: port }, number) in routes.iter().zip(1..) {
        address::add_to_loopback(address.ip())
            .map_err(|error| EgressError::Address { number, error })?;
        let listener = listen(&Endpoint::Tcp(address.to_string())).await;
        let listener = listener.map_err(|error| EgressError::Listen { number, error })?;
        let parent = Endpoint::Vsock { cid: parent_cid, port: *port };
        tracing::info!(%address, %parent, "egress route opened");
        tokio::spawn(relay::run(Acceptor::new(listener), parent));
    }
    Ok(())
}
