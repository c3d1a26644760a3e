//! How the parts of the service reach each other: one [`Endpoint`] type for vsock, Unix and TCP.
//!
//! vsock is the way into an enclave; Unix and TCP stand in for it where there is none, and TCP is
//! what clients speak. A virtual machine monitor may serve vsock to its host on a Unix socket. Nothing
//! here looks at a byte that passes.

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
pub use listener::{Listener, listen};
pub use log_throttle::LogThrottle;
pub use proxy_header::{ConnectionId, ProxyHeader, ProxyHeaderError};
pub use signals::shutdown_signal;
pub use stream::{Stream, connect};
pub use unix_socket::SocketFile;
