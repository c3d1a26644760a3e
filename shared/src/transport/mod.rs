//! How the parts of the service reach each other: one [`Endpoint`] type for vsock, Unix and TCP.
//!
//! vsock is the way into an enclave; Unix and TCP stand in for it where there is none, and TCP is
//! what clients speak. Nothing here looks at a byte that passes.

mod endpoint;
mod error;
pub mod limits;
mod listener;
mod stream;
mod unix_socket;

pub use endpoint::{Endpoint, HEARTBEAT_PORT, InvalidEndpoint};
pub use error::{ConnectError, ListenError};
pub use listener::{Listener, listen};
pub use stream::{Stream, connect};
