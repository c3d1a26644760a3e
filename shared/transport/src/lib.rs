//! Transport between clients, relay and enclaves: endpoints, listeners, streams, the PROXY protocol,
//! logging and limits.
//!
//! [`Endpoint`] is one type for vsock, Unix sockets and TCP. Enclaves are reachable over vsock only. Unix
//! sockets and TCP replace vsock on machines without it, and clients connect over TCP. A virtual machine
//! monitor may multiplex vsock on a Unix socket of its host. The crate does not inspect the relayed bytes.

mod acceptor;
mod client_network;
mod command_line;
mod detached_stream;
mod endpoint;
mod error;
pub mod limits;
mod listener;
mod log_throttle;
pub mod logging;
pub mod nonblocking_writer;
mod proxy_header;
mod signals;
mod stream;
mod unix_socket;
mod vsock_mux;

pub use acceptor::Acceptor;
pub use client_network::client_network;
pub use command_line::parse_command_line;
pub use detached_stream::DetachedStream;
pub use endpoint::{Endpoint, HEARTBEAT_PORT, InvalidEndpoint, listening_message};
pub use error::{ConnectError, ListenError};
pub use listener::{Listener, listen, listen_private};
pub use log_throttle::LogThrottle;
pub use proxy_header::{ConnectionId, ProxyHeader, ProxyHeaderError};
pub use signals::shutdown_signal;
pub use stream::{Stream, connect};
pub use unix_socket::SocketFile;
