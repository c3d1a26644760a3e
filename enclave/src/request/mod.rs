//! A request: its context, its identifier, its connection and its outcome.

mod connection_key;
mod context;
mod outcome;
mod request_id;
mod transport_security;

pub use connection_key::ConnectionKey;
pub(crate) use connection_key::FlowKey;
pub use context::RequestContext;
pub(crate) use outcome::Outcome;
pub use request_id::RequestId;
pub use transport_security::{TlsDetails, TransportSecurity};
